#include "redis/address.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <holdfast/error.h>

struct span {
    const char *at;
    const char *end;
};

struct parser {
    struct hf_redis_address *address;
    char *reason;
    size_t reason_size;
};

static int refuse(const struct parser *parser, const char *why)
{
    snprintf(parser->reason, parser->reason_size, "Redis address: %s", why);
    return HF_EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A NUL-terminated copy of `span` with its percent escapes resolved. */
static int decode(const struct parser *parser, struct span span, char **out)
{
    char *text = malloc((size_t)(span.end - span.at) + 1);
    if (text == NULL)
        return HF_ENOMEM;

    size_t len = 0;
    for (const char *at = span.at; at < span.end; at++) {
        char c = *at;
        if (c == '%') {
            int high = span.end - at > 2 ? hex_digit(at[1]) : -1;
            int low = high >= 0 ? hex_digit(at[2]) : -1;
            c = (char)(high * 16 + low);
            if (low < 0 || c == '\0') {
                free(text);
                return refuse(parser, "a % must be followed by two hexadecimal digits, not 00");
            }
            at += 2;
        }
        text[len++] = c;
    }
    text[len] = '\0';
    *out = text;
    return HF_OK;
}

/* Decimal digits up to `max`; false for anything else. */
static bool parse_number(struct span span, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    if (span.at == span.end || span.end - span.at > 9)
        return false;
    for (const char *at = span.at; at < span.end; at++) {
        if (!isdigit((unsigned char)*at))
            return false;
        value = value * 10 + (uint32_t)(*at - '0');
    }
    *out = value;
    return value <= max;
}

static const char *find_last(struct span span, char c)
{
    for (const char *at = span.end; at > span.at; at--) {
        if (at[-1] == c)
            return at - 1;
    }
    return NULL;
}

static const char *find_first(struct span span, char c)
{
    return span.at < span.end ? memchr(span.at, c, (size_t)(span.end - span.at)) : NULL;
}

/* [[user]:password@] or [user@]; moves `rest` behind it. */
static int parse_userinfo(const struct parser *parser, struct span *rest)
{
    const char *at_sign = find_last(*rest, '@');
    if (at_sign == NULL)
        return HF_OK;

    struct span user = {rest->at, at_sign};
    rest->at = at_sign + 1;
    const char *colon = find_first(user, ':');
    if (colon != NULL) {
        int rc = decode(parser, (struct span){colon + 1, user.end}, &parser->address->password);
        if (rc != HF_OK)
            return rc;
        user.end = colon;
    }
    if (user.at == user.end)
        return HF_OK;
    return decode(parser, user, &parser->address->user);
}

static int parse_db(const struct parser *parser, struct span span)
{
    if (span.at == span.end)
        return HF_OK;
    if (!parse_number(span, HF_REDIS_DB_MAX, &parser->address->db))
        return refuse(parser, "what follows the / must be a database number");
    parser->address->has_db = true;
    return HF_OK;
}

static int parse_port(const struct parser *parser, struct span span)
{
    uint32_t port;
    if (!parse_number(span, UINT16_MAX, &port) || port == 0)
        return refuse(parser, "the port must be a number from 1 to 65535");
    parser->address->port = (uint16_t)port;
    return HF_OK;
}

static bool is_host_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_';
}

/* host[:port] or [ipv6][:port] */
static int parse_host_port(const struct parser *parser, struct span span)
{
    struct span host = span;
    const char *after;
    if (span.at < span.end && *span.at == '[') {
        after = find_first(span, ']');
        if (after == NULL)
            return refuse(parser, "a [ without its ]");
        host = (struct span){span.at + 1, after++};
        for (const char *at = host.at; at < host.end; at++) {
            if (!isxdigit((unsigned char)*at) && *at != ':' && *at != '.')
                return refuse(parser, "between [ and ] stands an IPv6 address");
        }
    } else {
        after = find_first(span, ':');
        if (after == NULL)
            after = span.end;
        host.end = after;
        for (const char *at = host.at; at < host.end; at++) {
            if (!is_host_char(*at))
                return refuse(parser, "the host holds a character that no host name has");
        }
    }
    if (host.at == host.end)
        return refuse(parser, "the host is missing");
    if (after < span.end && *after != ':')
        return refuse(parser, "what follows the ] must be a port");

    parser->address->port = HF_REDIS_PORT;
    if (after < span.end) {
        int rc = parse_port(parser, (struct span){after + 1, span.end});
        if (rc != HF_OK)
            return rc;
    }
    parser->address->host = strndup(host.at, (size_t)(host.end - host.at));
    return parser->address->host != NULL ? HF_OK : HF_ENOMEM;
}

static int parse_tcp(const struct parser *parser, struct span rest)
{
    if (find_first(rest, '?') != NULL || find_first(rest, '#') != NULL)
        return refuse(parser, "options behind ? or # are not known");
    int rc = parse_userinfo(parser, &rest);
    if (rc != HF_OK)
        return rc;

    const char *slash = find_first(rest, '/');
    if (slash != NULL) {
        rc = parse_db(parser, (struct span){slash + 1, rest.end});
        if (rc != HF_OK)
            return rc;
        rest.end = slash;
    }
    return parse_host_port(parser, rest);
}

static int parse_unix(const struct parser *parser, struct span rest)
{
    if (rest.at < rest.end && *rest.at != '/') {
        int rc = parse_userinfo(parser, &rest);
        if (rc != HF_OK)
            return rc;
    }
    if (rest.at == rest.end || *rest.at != '/')
        return refuse(parser, "unix:// must be followed by an absolute path");
    int rc = decode(parser, rest, &parser->address->path);
    if (rc == HF_OK && strlen(parser->address->path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return refuse(parser, "the socket's path is too long for the system");
    return rc;
}

static int parse(const struct parser *parser, const char *text)
{
    struct span rest = {text, text + strlen(text)};
    const char *scheme_end = strstr(text, "://");
    if (scheme_end == NULL) {
        /* Credentials belong into a redis:// address: a bare one is only a host. */
        return parse_host_port(parser, rest);
    }

    size_t scheme_len = (size_t)(scheme_end - text);
    rest.at = scheme_end + 3;
    if (scheme_len == 5 && strncasecmp(text, "redis", 5) == 0)
        return parse_tcp(parser, rest);
    if (scheme_len == 3 && strncasecmp(text, "tcp", 3) == 0)
        return parse_tcp(parser, rest);
    if (scheme_len == 4 && strncasecmp(text, "unix", 4) == 0)
        return parse_unix(parser, rest);
    if (scheme_len == 6 && strncasecmp(text, "rediss", 6) == 0)
        return refuse(parser, "rediss:// (TLS) is not offered");
    return refuse(parser, "the scheme must be redis, tcp or unix");
}

int hf_redis_address_parse(const char *text, struct hf_redis_address *address, char *reason,
                           size_t reason_size)
{
    memset(address, 0, sizeof *address);
    if (reason_size > 0)
        reason[0] = '\0';
    const struct parser parser = {address, reason, reason_size};
    int rc = parse(&parser, text);
    if (rc == HF_ENOMEM)
        snprintf(reason, reason_size, "out of memory");
    if (rc != HF_OK)
        hf_redis_address_fini(address);
    return rc;
}

void hf_redis_address_fini(struct hf_redis_address *address)
{
    if (address->password != NULL)
        explicit_bzero(address->password, strlen(address->password));
    free(address->host);
    free(address->path);
    free(address->user);
    free(address->password);
    memset(address, 0, sizeof *address);
}

void hf_redis_address_describe(const struct hf_redis_address *address, char *text, size_t size)
{
    if (address->path != NULL)
        snprintf(text, size, "%s", address->path);
    else if (strchr(address->host, ':') != NULL)
        snprintf(text, size, "[%s]:%u", address->host, address->port);
    else
        snprintf(text, size, "%s:%u", address->host, address->port);
}
