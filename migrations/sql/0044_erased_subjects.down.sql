DROP TABLE crm.erased_subjects;
