"""Keys of data subjects: data keys, the master keys that wrap them, and their store."""
