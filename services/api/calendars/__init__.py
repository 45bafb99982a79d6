"""Calendar invitations and calendar links for tours."""
