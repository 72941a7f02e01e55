"""What happens inside a training beside the network, the loss and the optimiser."""
