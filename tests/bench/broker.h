/* Broker: a holdfast process for a bench, on a free port of loopback, with a configuration file of
 * its own; dies with the bench. Failures end the bench with a message. */
#ifndef HF_BENCH_BROKER_H
#define HF_BENCH_BROKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hf_broker;

/* Starts `program` with the JSON text `config` (without http_server.port) and waits until it is
 * ready. */
struct hf_broker *hf_broker_start(const char *program, const char *config);
void hf_broker_free(struct hf_broker *broker); /* SIGKILL */

uint16_t hf_broker_port(const struct hf_broker *broker);
pid_t hf_broker_pid(const struct hf_broker *broker);

/* POSTs a body to a path of the HTTP API, with the key "bench"; the answer must be 200 without an
 * error in it. */
void hf_broker_post(struct hf_broker *broker, const char *path, const char *body, size_t len);

#endif
