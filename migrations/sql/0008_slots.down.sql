DROP TABLE tour_slots, crm.slot_times, crm.tour_times;
