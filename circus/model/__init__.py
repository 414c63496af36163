"""Floor 1: pure data and decisions. No clock, no descriptor, no zmq, psutil or tornado below this line."""
