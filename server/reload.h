/* Reload: what SIGHUP does to a running node: configuration and certificates are read again, and
 * workers go over to what is right. What is wrong is logged and leaves everything as it is.
 *
 * The node's thread only. Connections stay; they see new options with their next command, and keep
 * the certificate that they began with. */
#ifndef HF_SERVER_RELOAD_H
#define HF_SERVER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/types.h>

#include "config/config.h"
#include "net/connection.h"

struct hf_admission;
struct hf_worker;

/* Where the configuration came from; borrowed for as long as the node runs. */
struct hf_config_source {
    int argc;
    const char *const *argv;
    const char *const *envp;
};

struct hf_reload {
    const struct hf_config_source *source; /* NULL: only certificates are read again */
    const struct hf_config *first;         /* borrowed: what the node was started with */
    const struct hf_config *present;       /* `first`, or owned */
    struct hf_retired_config *retired;     /* owned; workers may still be using them */
    SSL_CTX *tls[HF_ENTRANCES];            /* owned; NULL: without TLS */
    uint64_t generation;
};

/* Loads the certificates that the configuration asks for. False: logged. */
bool hf_reload_open(struct hf_reload *reload, const struct hf_config *config,
                    const struct hf_config_source *source);
/* After all workers have been joined. */
void hf_reload_close(struct hf_reload *reload);

/* Reads again, and tells the workers and the admission. */
void hf_reload_run(struct hf_reload *reload, struct hf_worker *const *workers, unsigned count,
                   struct hf_admission *admission);
/* Frees former configurations that no worker uses any more; now and then. */
void hf_reload_tidy(struct hf_reload *reload, struct hf_worker *const *workers, unsigned count);

#endif
