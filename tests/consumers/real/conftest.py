collect_ignore_glob = ["programs/*"]  # each is run in an environment that has its program
