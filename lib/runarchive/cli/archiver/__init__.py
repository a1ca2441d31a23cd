"""The parts of `run-archiver`: its log, its signals, its stages and its report."""
