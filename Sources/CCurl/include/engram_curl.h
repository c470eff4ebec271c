// POST over HTTP by libcurl, which is loaded when it is first used: no program needs its headers to be built, or the library unless it sends something.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// A handle with a connection that is used again. For one thread at a time, but for engram_curl_cancel.
typedef struct engram_curl engram_curl;

enum {
  ENGRAM_CURL_ANSWERED = 0,
  // engram_curl_cancel was called.
  ENGRAM_CURL_CANCELLED = 1,
  // The body has more bytes than asked for.
  ENGRAM_CURL_TOO_LARGE = 2,
  ENGRAM_CURL_TIMED_OUT = 3,
  // No connection: refused, no such host, no trust.
  ENGRAM_CURL_UNREACHABLE = 4,
  // The connection broke.
  ENGRAM_CURL_LOST = 5,
  ENGRAM_CURL_OUT_OF_MEMORY = 6,
};

typedef struct {
  int outcome;
  long status;
  // The lines of the final head, and the body. Both belong to the handle, until its next call.
  const char *head;
  size_t head_length;
  const unsigned char *body;
  size_t body_length;
  // Whether the head was whole.
  int has_head;
  // English, of libcurl; empty if nothing failed.
  char message[256];
} engram_curl_answer;

// NULL if libcurl is there; otherwise why not.
const char *engram_curl_load(void);

// NULL if there is no memory. engram_curl_load must have returned NULL.
engram_curl *engram_curl_make(void);
void engram_curl_free(engram_curl *handle);

// Sends a body and reads the answer; blocks. No redirect is followed, nothing is kept but the connection.
//
// headers: lines "Name: value", NULL at the end.
void engram_curl_post(engram_curl *handle, const char *url, const char *const *headers, const void *body, size_t body_length,
                      size_t maximum_bytes, long timeout_milliseconds, engram_curl_answer *answer);

// Ends the call that another thread is in, or the next one.
void engram_curl_cancel(engram_curl *handle);

#ifdef __cplusplus
}
#endif
