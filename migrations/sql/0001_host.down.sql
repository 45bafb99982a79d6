-- The host's tables stay: this revision cannot know whether it made them.
SELECT 1;
