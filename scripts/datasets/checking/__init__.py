"""Looking at every case: what is there, what is wrong, and a picture of it."""
