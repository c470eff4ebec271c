#ifndef ENGRAM_BUILD_FACTS_H
#define ENGRAM_BUILD_FACTS_H

// A module of its own: a build of another commit compiles this and nothing else.

/// The commit that this was built from, with "+changes" behind it if files had been changed; an empty text if the build was not told. A constant.
const char *engram_build_commit(void);

/// The path of the loaded library that has a function, with links resolved; a null pointer if no library has it or the system does not say. The caller
/// frees it.
char *engram_library_path(const char *function);

#endif
