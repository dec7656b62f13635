#ifndef FLOW_H
#define FLOW_H
#include <stddef.h>
#include <stdint.h>

/* The caller's parallel-for: run(context, task, argument, tasks) calls task(argument, i) once for each i below tasks
   and returns when all are done. threads counts the calling thread. */
typedef struct flow_pool {
    void *context;
    int threads;
    void (*run)(void *context, void (*task)(void *argument, int64_t i), void *argument, int64_t tasks);
} flow_pool;

/* A pool that shared libraries bring along and objects do not. Its threads start when they are first needed. */
#ifdef __cplusplus
extern "C" {
#endif
flow_pool *flow_pool_create(int threads); /* 0: as many as there are processors; NULL without memory */
void flow_pool_destroy(flow_pool *pool);  /* while no run uses it */
#ifdef __cplusplus
}
#endif

/* Why a run failed: the place in the source, and the index and the bound it broke. */
typedef struct flow_error {
    int32_t code, site;
    int64_t index, bound;
} flow_error;

/* Begin (phase 0) or end (phase 1) of a launch; launches of a run count from 0. */
typedef struct flow_event {
    const char *kernel;
    int32_t launch, phase;
} flow_event;

/* NULL or zero fields: none of it. */
typedef struct flow_context {
    size_t size; /* sizeof(flow_context) */
    const flow_pool *pool;
    const volatile int32_t *cancel; /* the run ends soon after it is not 0 */
    flow_error *error;              /* told when the result is not 0 */
    void (*event)(void *user, const flow_event *event);
    void *user;
} flow_context;

/* The kind of a failure; 0 is done. */
static inline const char *flow_message(int code) {
    switch (code) {
    case 0: return "done";
    case 1: return "size out of range";
    case 2: return "index out of range";
    case 3: return "limit reached";
    case 4: return "assert failed";
    case 5: return "misaligned";
    case 6: return "overlap";
    case 7: return "cancelled";
    default: return "unknown";
    }
}
#endif
