"""Known titles beside the network, and nearest-neighbour search among them."""
