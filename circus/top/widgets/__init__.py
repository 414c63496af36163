"""What the screen of circus-top is made of. Each widget draws lines from the model; none of them asks a daemon."""
