// The boundary between Torchlit's Go and MPI, in plain C. It is a library of its own
// because mpi.h differs between implementations of MPI: make builds it with the mpicc
// of the machine, where there is one.
//
// Every function returns 0, or a nonzero status with the reason in the tm_error that
// the caller passed in, and keeps no pointer to the caller's memory. Operations take
// seconds after which they give up. A communicator on which one gave up is of no
// further use: MPI cannot take an operation back.
#ifndef TORCHLIT_MPI_H
#define TORCHLIT_MPI_H

#include <stdint.h>

// TM_ABI changes whenever tm_api does; headerABI in torch/internal/mpi changes with it.
#define TM_ABI 1

typedef struct tm_comm tm_comm;

typedef struct tm_error {
  char text[1024];
} tm_error;

enum { TM_INT64 = 0, TM_FLOAT32 = 1, TM_FLOAT64 = 2 };

typedef struct tm_api {
  int64_t abi;
  const char *(*version)(void);
  // init starts MPI and gives the communicator of all ranks. Call it once.
  int32_t (*init)(tm_comm **, int64_t *rank, int64_t *size, tm_error *);
  // duplicate gives another communicator of the same ranks, which all call it.
  int32_t (*duplicate)(const tm_comm *, tm_comm **, tm_error *);
  int32_t (*free)(tm_comm *, tm_error *);
  int32_t (*all_reduce)(tm_comm *, void *data, int64_t count, int64_t type,
                        double seconds, tm_error *);
  int32_t (*broadcast)(tm_comm *, void *data, int64_t bytes, int64_t root,
                       double seconds, tm_error *);
  // all_gather writes the ranks' bytes one behind the other.
  int32_t (*all_gather)(tm_comm *, const void *mine, void *all, int64_t bytes,
                        double seconds, tm_error *);
  int32_t (*barrier)(tm_comm *, double seconds, tm_error *);
  // finalize ends MPI. All communicators are free, and all ranks call it.
  int32_t (*finalize)(tm_error *);
} tm_api;

__attribute__((visibility("default"))) const tm_api *tm_get_api(int64_t abi);

#endif
