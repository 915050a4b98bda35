"""Floor 2: the Unix process around the reactor: configuration, logs, pidfile, detaching, systemd."""
