"""Files and folders that are whole or not there, whatever stops the process, and locks on them."""
