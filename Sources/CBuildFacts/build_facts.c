// For dladdr.
#define _GNU_SOURCE

#include "build_facts.h"

#include <dlfcn.h>
#include <stdlib.h>

// Package.swift defines it if the environment variable of the same name is set.
#ifndef ENGRAM_COMMIT
#define ENGRAM_COMMIT
#endif

#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)

const char *engram_build_commit(void) { return TEXT(ENGRAM_COMMIT); }

char *engram_library_path(const char *function) {
  Dl_info found;
  void *address = dlsym(RTLD_DEFAULT, function);
  return address && dladdr(address, &found) && found.dli_fname ? realpath(found.dli_fname, NULL) : NULL;
}
