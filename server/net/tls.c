#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "log.h"

SSL *hf_tls_open(SSL_CTX *context, int fd)
{
    SSL *tls = SSL_new(context);
    if (tls == NULL || SSL_set_fd(tls, fd) != 1) {
        ERR_clear_error();
        SSL_free(tls);
        return NULL;
    }
    SSL_set_accept_state(tls);
    return tls;
}

static void log_failure(void)
{
    unsigned long error = ERR_peek_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : "the peer has left";
    hf_log(HF_LOG_DEBUG, "TLS handshake failed", "reason=%s",
           reason != NULL ? reason : "unknown error");
}

enum hf_tls_handshake hf_tls_handshake(SSL *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls);
    if (result == 1) {
        return HF_TLS_DONE;
    }
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
        return HF_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return HF_TLS_WANTS_WRITE;
    default:
        break;
    }
    bool is_http = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
    log_failure();
    ERR_clear_error();
    return is_http ? HF_TLS_IS_HTTP : HF_TLS_FAILED;
}

/* One read. -1 with errno, 0 at the peer's close_notify. */
static ssize_t read_some(SSL *tls, void *data, size_t len)
{
    size_t taken = 0;
    ERR_clear_error();
    errno = 0;
    if (SSL_read_ex(tls, data, len, &taken) == 1) {
        return (ssize_t)taken;
    }
    switch (SSL_get_error(tls, 0)) {
    case SSL_ERROR_WANT_READ:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = errno != 0 ? errno : ECONNRESET;
        break;
    default: /* also WANT_WRITE: only a renegotiation would ask for it, and that is off */
        errno = EPROTO;
        break;
    }
    ERR_clear_error();
    return -1;
}

ssize_t hf_tls_readv(SSL *tls, const struct iovec *vectors, size_t count, bool *is_over)
{
    ssize_t total = 0;
    *is_over = false;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < vectors[i].iov_len) {
            size_t room = vectors[i].iov_len - at;
            if (i + 1 == count && room < HF_TLS_RECORD_MAX && SSL_pending(tls) == 0) {
                return total;
            }
            ssize_t len = read_some(tls, (char *)vectors[i].iov_base + at, room);
            if (len <= 0) {
                *is_over = len == 0 || errno != EAGAIN;
                return total > 0 ? total : len;
            }
            at += (size_t)len;
            total += len;
        }
    }
    return total;
}

/* What goes into the next record: the first vector, or the front of all of them in `record`. */
static struct iovec choose(const struct iovec *vectors, size_t count, char *record)
{
    if (count == 1 || vectors[0].iov_len >= HF_TLS_RECORD_MAX) {
        return vectors[0];
    }
    size_t len = 0;
    for (size_t i = 0; i < count && len < HF_TLS_RECORD_MAX; i++) {
        size_t room = HF_TLS_RECORD_MAX - len;
        size_t part = vectors[i].iov_len < room ? vectors[i].iov_len : room;
        memcpy(record + len, vectors[i].iov_base, part);
        len += part;
    }
    return (struct iovec){.iov_base = record, .iov_len = len};
}

ssize_t hf_tls_writev(SSL *tls, const struct iovec *vectors, size_t count)
{
    char record[HF_TLS_RECORD_MAX];
    size_t written = 0;
    assert(count > 0);
    struct iovec bytes = choose(vectors, count, record);
    ERR_clear_error();
    errno = 0;
    if (SSL_write_ex(tls, bytes.iov_base, bytes.iov_len, &written) == 1) {
        return (ssize_t)written;
    }
    switch (SSL_get_error(tls, 0)) {
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        break;
    case SSL_ERROR_SYSCALL:
        errno = errno != 0 ? errno : ECONNRESET;
        break;
    default:
        errno = EPROTO;
        break;
    }
    ERR_clear_error();
    return -1;
}

void hf_tls_finish(SSL *tls)
{
    if (SSL_is_init_finished(tls)) {
        /* What it returns does not matter: the connection ends with or without the notice. */
        (void)SSL_shutdown(tls);
        ERR_clear_error();
    }
}
