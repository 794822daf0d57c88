/* TLS of accepted connections, with OpenSSL, under connection.c: TLS 1.2 and 1.3, ALPN http/1.1,
 * session tickets (keys live as long as the context), no renegotiation, no early data.
 *
 * A context (SSL_CTX: certificate, key, who may connect) never changes: new files make a new one,
 * and connections keep the one that they began with. It is reference-counted (SSL_CTX_up_ref,
 * SSL_CTX_free) and may be used by any thread. An SSL belongs to one connection, on its worker's
 * thread; it borrows the socket. SIGPIPE must be ignored. */
#ifndef HF_SERVER_TLS_H
#define HF_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <openssl/types.h>

#include "config/config.h"

/* Most bytes of one record: what a read must have room for, so that nothing stays in the SSL. */
#define HF_TLS_RECORD_MAX 16384

/* --- contexts ------------------------------------------------------------------------------- */

/* Reads certificate chain, key and CA. NULL, with which option is wrong and why in `reason` (never
 * a key's text): a file that cannot be read, no PEM, a key that does not fit the certificate. */
SSL_CTX *hf_tls_context_new(const struct hf_config_tls *config, char *reason, size_t reason_size);
/* When the certificate ends, seconds since 1970; 0: unknown. */
int64_t hf_tls_context_not_after(const SSL_CTX *context);

/* --- connections ---------------------------------------------------------------------------- */

enum hf_tls_handshake {
    HF_TLS_DONE,
    HF_TLS_WANTS_READ,
    HF_TLS_WANTS_WRITE,
    HF_TLS_IS_HTTP, /* the peer speaks HTTP without TLS: the socket is still fit for an answer */
    HF_TLS_FAILED,  /* logged at level debug */
};

/* NULL: no memory. Ends with SSL_free, which leaves the socket open. */
SSL *hf_tls_open(SSL_CTX *context, int fd);
enum hf_tls_handshake hf_tls_handshake(SSL *tls);

/* As readv: bytes, 0 at the end, or -1 with errno, EAGAIN when there is nothing to read now. The
 * last vector must have HF_TLS_RECORD_MAX bytes. Then all that is left unread is still in the
 * socket, so that its readiness tells. *is_over: no more will come behind these bytes. */
ssize_t hf_tls_readv(SSL *tls, const struct iovec *vectors, size_t count, bool *is_over);

/* As writev. After EAGAIN the next call must begin with the same bytes (wherever they are) and not
 * have fewer of them. Writes one record: the first vector's bytes, or several short ones together.
 */
ssize_t hf_tls_writev(SSL *tls, const struct iovec *vectors, size_t count);

/* Tells the peer that nothing more comes (close_notify), as far as the socket takes it. */
void hf_tls_finish(SSL *tls);

#endif
