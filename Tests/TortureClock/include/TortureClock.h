/* Nothing to call: the library is loaded before all others (LD_PRELOAD) and moves the wall clock of one process. */
