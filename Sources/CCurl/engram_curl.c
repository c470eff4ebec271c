#include "engram_curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// What is used of curl/curl.h, whose numbers and structs are the same in all versions of libcurl.so.4.
typedef void CURL;
typedef void CURLM;
struct curl_slist;

typedef struct {
  int msg;
  CURL *easy_handle;
  union {
    void *whatever;
    int result;
  } data;
} CURLMsg;

enum {
  CURL_GLOBAL_DEFAULT = 3,
  CURLMSG_DONE = 1,
  CURLINFO_RESPONSE_CODE = 0x200002,
  CURLOPT_POST = 47,
  CURLOPT_NOSIGNAL = 99,
  CURLOPT_TIMEOUT_MS = 155,
  CURLOPT_PROTOCOLS = 181,
  CURLOPT_WRITEDATA = 10001,
  CURLOPT_URL = 10002,
  CURLOPT_ERRORBUFFER = 10010,
  CURLOPT_POSTFIELDS = 10015,
  CURLOPT_HTTPHEADER = 10023,
  CURLOPT_HEADERDATA = 10029,
  CURLOPT_ACCEPT_ENCODING = 10102,
  CURLOPT_WRITEFUNCTION = 20011,
  CURLOPT_HEADERFUNCTION = 20079,
  CURLOPT_MAXFILESIZE_LARGE = 30117,
  CURLOPT_POSTFIELDSIZE_LARGE = 30120,
  CURLPROTO_HTTP = 1,
  CURLPROTO_HTTPS = 2,
};

static struct {
  int (*global_init)(long);
  CURL *(*easy_init)(void);
  void (*easy_cleanup)(CURL *);
  int (*easy_setopt)(CURL *, int, ...);
  int (*easy_getinfo)(CURL *, int, ...);
  const char *(*easy_strerror)(int);
  struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
  void (*slist_free_all)(struct curl_slist *);
  CURLM *(*multi_init)(void);
  int (*multi_cleanup)(CURLM *);
  int (*multi_add_handle)(CURLM *, CURL *);
  int (*multi_remove_handle)(CURLM *, CURL *);
  int (*multi_perform)(CURLM *, int *);
  int (*multi_poll)(CURLM *, void *, unsigned, int, int *);
  int (*multi_wakeup)(CURLM *);
  CURLMsg *(*multi_info_read)(CURLM *, int *);
} curl;

static const char *load_failure;

static void load(void) {
#ifdef __APPLE__
  void *library = dlopen("/usr/lib/libcurl.4.dylib", RTLD_NOW | RTLD_LOCAL);
#else
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
#endif
  if (library == NULL) {
    load_failure = "libcurl (libcurl.so.4) cannot be loaded: install it, on Debian and Ubuntu as libcurl4";
    return;
  }
  const struct {
    const char *name;
    void *place;
  } functions[] = {
      {"curl_global_init", &curl.global_init},
      {"curl_easy_init", &curl.easy_init},
      {"curl_easy_cleanup", &curl.easy_cleanup},
      {"curl_easy_setopt", &curl.easy_setopt},
      {"curl_easy_getinfo", &curl.easy_getinfo},
      {"curl_easy_strerror", &curl.easy_strerror},
      {"curl_slist_append", &curl.slist_append},
      {"curl_slist_free_all", &curl.slist_free_all},
      {"curl_multi_init", &curl.multi_init},
      {"curl_multi_cleanup", &curl.multi_cleanup},
      {"curl_multi_add_handle", &curl.multi_add_handle},
      {"curl_multi_remove_handle", &curl.multi_remove_handle},
      {"curl_multi_perform", &curl.multi_perform},
      {"curl_multi_poll", &curl.multi_poll},
      {"curl_multi_wakeup", &curl.multi_wakeup},
      {"curl_multi_info_read", &curl.multi_info_read},
  };
  for (size_t index = 0; index < sizeof functions / sizeof functions[0]; index++) {
    void *function = dlsym(library, functions[index].name);
    if (function == NULL) {
      load_failure = "libcurl is too old: 7.68 or later is needed";
      return;
    }
    // Not by assignment: a pointer to data is none to a function in C.
    memcpy(functions[index].place, &function, sizeof function);
  }
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != 0) load_failure = "libcurl cannot be initialised";
}

const char *engram_curl_load(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return load_failure;
}

struct buffer {
  unsigned char *bytes;
  size_t length;
  size_t capacity;
};

struct engram_curl {
  CURL *easy;
  CURLM *multi;
  atomic_bool is_cancelled;
  struct buffer head;
  struct buffer body;
  size_t maximum_bytes;
  int has_head;
  int is_too_large;
  int is_out_of_memory;
};

engram_curl *engram_curl_make(void) {
  engram_curl *handle = calloc(1, sizeof *handle);
  if (handle == NULL) return NULL;
  atomic_init(&handle->is_cancelled, 0);
  handle->easy = curl.easy_init();
  handle->multi = curl.multi_init();
  if (handle->easy == NULL || handle->multi == NULL) {
    engram_curl_free(handle);
    return NULL;
  }
  return handle;
}

void engram_curl_free(engram_curl *handle) {
  if (handle->easy != NULL) curl.easy_cleanup(handle->easy);
  if (handle->multi != NULL) curl.multi_cleanup(handle->multi);
  free(handle->head.bytes);
  free(handle->body.bytes);
  free(handle);
}

void engram_curl_cancel(engram_curl *handle) {
  atomic_store(&handle->is_cancelled, 1);
  curl.multi_wakeup(handle->multi);
}

static int append(struct buffer *buffer, const void *bytes, size_t count) {
  if (count > buffer->capacity - buffer->length) {
    size_t capacity = buffer->capacity < 4096 ? 4096 : buffer->capacity;
    while (capacity - buffer->length < count) capacity *= 2;
    unsigned char *larger = realloc(buffer->bytes, capacity);
    if (larger == NULL) return 0;
    buffer->bytes = larger;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->length, bytes, count);
  buffer->length += count;
  return 1;
}

// Gives room back that a large answer took.
static void empty(struct buffer *buffer) {
  if (buffer->capacity > (size_t)1 << 20) {
    free(buffer->bytes);
    buffer->bytes = NULL;
    buffer->capacity = 0;
  }
  buffer->length = 0;
}

// Called for each line of a head; also for lines behind a body, which come after the empty line.
static size_t read_head(char *line, size_t size, size_t count, void *context) {
  engram_curl *handle = context;
  size_t length = size * count;
  if (length >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
    handle->head.length = 0;
    handle->has_head = 0;
  }
  if (length <= 2 && (line[0] == '\r' || line[0] == '\n')) handle->has_head = 1;
  // libcurl limits a head as well; to 300 KB, only in later versions.
  if (handle->head.length + length > (size_t)1 << 18) {
    handle->is_too_large = 1;
    return 0;
  }
  if (append(&handle->head, line, length)) return length;
  handle->is_out_of_memory = 1;
  return 0;
}

static size_t read_body(char *bytes, size_t size, size_t count, void *context) {
  engram_curl *handle = context;
  size_t length = size * count;
  if (length > handle->maximum_bytes - handle->body.length) {
    handle->is_too_large = 1;
    return 0;
  }
  if (append(&handle->body, bytes, length)) return length;
  handle->is_out_of_memory = 1;
  return 0;
}

// The outcome of a transfer that ended with a code of libcurl.
static int outcome_of(const engram_curl *handle, int code) {
  if (handle->is_too_large) return ENGRAM_CURL_TOO_LARGE;
  if (handle->is_out_of_memory) return ENGRAM_CURL_OUT_OF_MEMORY;
  switch (code) {
  case 0:
    // A connection that ends within the head is no failure for libcurl.
    return handle->has_head ? ENGRAM_CURL_ANSWERED : ENGRAM_CURL_LOST;
  case 3:  // the URL
  case 5:  // no such proxy
  case 6:  // no such host
  case 7:  // refused
  case 35: // TLS
  case 51:
  case 53:
  case 54:
  case 58:
  case 59:
  case 60: // no trust
  case 64:
  case 66:
  case 77:
  case 80:
  case 82:
  case 83:
  case 90:
  case 91:
    return ENGRAM_CURL_UNREACHABLE;
  case 27:
    return ENGRAM_CURL_OUT_OF_MEMORY;
  case 28:
    return ENGRAM_CURL_TIMED_OUT;
  case 63:
    return ENGRAM_CURL_TOO_LARGE;
  default:
    return ENGRAM_CURL_LOST;
  }
}

// Runs the transfer that was added; returns its code, or -1 if it is cancelled, or -2 if libcurl itself fails.
static int run(engram_curl *handle) {
  for (;;) {
    if (atomic_load(&handle->is_cancelled)) return -1;
    int running = 0, left = 0;
    if (curl.multi_perform(handle->multi, &running) != 0) return -2;
    for (CURLMsg *message; (message = curl.multi_info_read(handle->multi, &left)) != NULL;) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    // The time is limited by the transfer's own timeout, which ends the wait.
    if (curl.multi_poll(handle->multi, NULL, 0, 60000, NULL) != 0) return -2;
  }
}

void engram_curl_post(engram_curl *handle, const char *url, const char *const *headers, const void *body, size_t body_length,
                      size_t maximum_bytes, long timeout_milliseconds, engram_curl_answer *answer) {
  memset(answer, 0, sizeof *answer);
  empty(&handle->head);
  empty(&handle->body);
  handle->maximum_bytes = maximum_bytes;
  handle->has_head = handle->is_too_large = handle->is_out_of_memory = 0;

  struct curl_slist *lines = NULL;
  for (; *headers != NULL; headers++) {
    struct curl_slist *longer = curl.slist_append(lines, *headers);
    if (longer == NULL) {
      curl.slist_free_all(lines);
      answer->outcome = ENGRAM_CURL_OUT_OF_MEMORY;
      return;
    }
    lines = longer;
  }

  CURL *easy = handle->easy;
  int failed = curl.easy_setopt(easy, CURLOPT_URL, url);
  failed |= curl.easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  failed |= curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  failed |= curl.easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  failed |= curl.easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
  failed |= curl.easy_setopt(easy, CURLOPT_POST, 1L);
  failed |= curl.easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  // Of the type curl_off_t, which has 64 bits.
  failed |= curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (long long)body_length);
  // By the length that the server announces; read_body counts what comes.
  failed |= curl.easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (long long)maximum_bytes);
  failed |= curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_milliseconds);
  failed |= curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, read_head);
  failed |= curl.easy_setopt(easy, CURLOPT_HEADERDATA, handle);
  failed |= curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, read_body);
  failed |= curl.easy_setopt(easy, CURLOPT_WRITEDATA, handle);
  failed |= curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, answer->message);
  if (failed != 0 || curl.multi_add_handle(handle->multi, easy) != 0) {
    curl.slist_free_all(lines);
    answer->outcome = ENGRAM_CURL_OUT_OF_MEMORY;
    return;
  }

  // TLS writes to a closed connection without MSG_NOSIGNAL. The signal stays pending on this thread, which ends after the call.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, NULL);
  int code = run(handle);
  curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
  curl.multi_remove_handle(handle->multi, easy);
  curl.easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  curl.slist_free_all(lines);

  answer->outcome = code == -1 ? ENGRAM_CURL_CANCELLED : code == -2 ? ENGRAM_CURL_LOST : outcome_of(handle, code);
  if (code > 0 && answer->message[0] == 0) snprintf(answer->message, sizeof answer->message, "%s", curl.easy_strerror(code));
  answer->has_head = handle->has_head;
  answer->head = (const char *)handle->head.bytes;
  answer->head_length = handle->head.length;
  answer->body = handle->body.bytes;
  answer->body_length = handle->body.length;
}
