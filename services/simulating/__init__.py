"""A believable day of leasing, told from a seed: pure stories, and two ways to act them out."""
