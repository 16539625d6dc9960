"""Known titles beside the network, and the nearest of them."""
