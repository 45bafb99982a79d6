DROP TABLE crm_state.lead_texts;
