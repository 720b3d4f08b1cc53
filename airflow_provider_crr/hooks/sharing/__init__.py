"""What the gates of one process share to reach S3: a hook, a client, and what was refused or read lately."""
