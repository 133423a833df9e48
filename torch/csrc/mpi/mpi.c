// MPI for Torchlit; see torchlit_mpi.h.
//
// Operations are the nonblocking ones of MPI, which are then tested until they are
// done: a blocking one could not give up. The tests come at once at first, as most
// operations end within microseconds, and with pauses later, so that a rank that
// waits for a slower one leaves it the CPU.
#define _POSIX_C_SOURCE 200809L

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mpi.h>

#include "torchlit_mpi.h"

struct tm_comm {
  MPI_Comm comm;
};

// An operation of more elements is cut: MPI's counts are ints.
#define MOST (1 << 28)

static int32_t fail(tm_error *err, const char *what, int code) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int n = 0;
  MPI_Error_string(code, text, &n);
  snprintf(err->text, sizeof err->text, "%s: %s", what, text);
  return 1;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int32_t finish(const char *what, int code, MPI_Request *request, double seconds,
                      tm_error *err) {
  if (code != MPI_SUCCESS) return fail(err, what, code);
  const double start = now();
  for (int64_t tries = 0;; tries++) {
    int done = 0;
    code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) return fail(err, what, code);
    if (done) return 0;
    if (tries < 2000) continue;
    const double waited = now() - start;
    if (waited > seconds) {
      snprintf(err->text, sizeof err->text,
               "%s: not all ranks took part within %.0f s: one hangs, or runs another program",
               what, seconds);
      return 1;
    }
    if (waited < 0.005) {
      sched_yield();
      continue;
    }
    const struct timespec pause = {0, waited < 1 ? 20000 : 500000};
    nanosleep(&pause, NULL);
  }
}

static const char *version(void) {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int n = 0;
  MPI_Get_library_version(text, &n);
  return text;
}

static int32_t adopt(MPI_Comm comm, tm_comm **out, tm_error *err) {
  int code = MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  if (code != MPI_SUCCESS) return fail(err, "MPI_Comm_set_errhandler", code);
  tm_comm *c = malloc(sizeof *c);
  if (!c) return fail(err, "malloc", MPI_ERR_NO_MEM);
  c->comm = comm;
  *out = c;
  return 0;
}

static int32_t duplicate(const tm_comm *c, tm_comm **out, tm_error *err) {
  MPI_Comm comm;
  int code = MPI_Comm_dup(c->comm, &comm);
  if (code != MPI_SUCCESS) return fail(err, "MPI_Comm_dup", code);
  return adopt(comm, out, err);
}

static int32_t init(tm_comm **out, int64_t *rank, int64_t *size, tm_error *err) {
  int provided = 0, r = 0, n = 0;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
  if (code != MPI_SUCCESS) return fail(err, "MPI_Init_thread", code);
  if (provided < MPI_THREAD_MULTIPLE) {
    snprintf(err->text, sizeof err->text,
             "this MPI does not let several threads communicate (MPI_THREAD_MULTIPLE)");
    return 1;
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &r);
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  *rank = r;
  *size = n;
  const tm_comm world = {MPI_COMM_WORLD};
  return duplicate(&world, out, err);
}

static int32_t free_comm(tm_comm *c, tm_error *err) {
  int code = MPI_Comm_free(&c->comm);
  free(c);
  return code == MPI_SUCCESS ? 0 : fail(err, "MPI_Comm_free", code);
}

static int32_t all_reduce(tm_comm *c, void *data, int64_t count, int64_t type,
                          double seconds, tm_error *err) {
  MPI_Datatype t = type == TM_INT64 ? MPI_INT64_T : type == TM_FLOAT32 ? MPI_FLOAT : MPI_DOUBLE;
  int size = 0;
  MPI_Type_size(t, &size);
  for (int64_t at = 0; at < count; at += MOST) {
    const int n = (int)(count - at < MOST ? count - at : MOST);
    MPI_Request request;
    int code = MPI_Iallreduce(MPI_IN_PLACE, (char *)data + at * size, n, t, MPI_SUM, c->comm,
                              &request);
    if (finish("MPI_Iallreduce", code, &request, seconds, err) != 0) return 1;
  }
  return 0;
}

static int32_t broadcast(tm_comm *c, void *data, int64_t bytes, int64_t root, double seconds,
                         tm_error *err) {
  for (int64_t at = 0; at < bytes; at += MOST) {
    const int n = (int)(bytes - at < MOST ? bytes - at : MOST);
    MPI_Request request;
    int code = MPI_Ibcast((char *)data + at, n, MPI_BYTE, (int)root, c->comm, &request);
    if (finish("MPI_Ibcast", code, &request, seconds, err) != 0) return 1;
  }
  return 0;
}

static int32_t all_gather(tm_comm *c, const void *mine, void *all, int64_t bytes, double seconds,
                          tm_error *err) {
  if (bytes > MOST) {
    snprintf(err->text, sizeof err->text, "MPI_Iallgather: at most %d bytes a rank", MOST);
    return 1;
  }
  MPI_Request request;
  int code = MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, c->comm,
                            &request);
  return finish("MPI_Iallgather", code, &request, seconds, err);
}

static int32_t barrier(tm_comm *c, double seconds, tm_error *err) {
  MPI_Request request;
  int code = MPI_Ibarrier(c->comm, &request);
  return finish("MPI_Ibarrier", code, &request, seconds, err);
}

static int32_t finalize(tm_error *err) {
  int code = MPI_Finalize();
  return code == MPI_SUCCESS ? 0 : fail(err, "MPI_Finalize", code);
}

const tm_api *tm_get_api(int64_t abi) {
  static const tm_api api = {
      TM_ABI,     version,   init,       duplicate, free_comm,
      all_reduce, broadcast, all_gather, barrier,   finalize,
  };
  return abi == TM_ABI ? &api : NULL;
}
