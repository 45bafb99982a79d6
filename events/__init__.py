"""What happened: the facts of the leasing CRM, their catalog, and the two doors log and bus."""
