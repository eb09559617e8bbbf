"""What file systems lack or add: modes, rights, syncing, odd names, errors of disks."""
