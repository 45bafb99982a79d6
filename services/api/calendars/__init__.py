"""Calendar invitations and links for tours."""
