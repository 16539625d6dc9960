"""Training in torch: network, losses, optimizer, embeddings, runs and what is fitted after them."""
