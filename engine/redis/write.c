/* Writing commands in the Redis protocol. */
#include "redis/connection.h"

#include <string.h>

char *hf_redis_write_digits(char *at, uint64_t value)
{
    char digits[20];
    size_t len = 0;
    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (len > 0)
        *at++ = digits[--len];
    return at;
}

static char *write_size(char *at, char mark, size_t size)
{
    *at++ = mark;
    at = hf_redis_write_digits(at, size);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

char *hf_redis_write_part(char *at, const char *data, size_t len)
{
    if (len > 0)
        memcpy(at, data, len);
    return at + len;
}

char *hf_redis_write_start(char *at, size_t len)
{
    return write_size(at, '$', len);
}

char *hf_redis_write_command(char *at, size_t arguments)
{
    return write_size(at, '*', arguments);
}

char *hf_redis_write_joined(char *at, const char *prefix, size_t prefix_len, const char *data,
                            size_t len)
{
    at = hf_redis_write_start(at, prefix_len + len);
    at = hf_redis_write_part(at, prefix, prefix_len);
    at = hf_redis_write_part(at, data, len);
    return hf_redis_write_part(at, "\r\n", 2);
}

char *hf_redis_write_bytes(char *at, const char *data, size_t len)
{
    return hf_redis_write_joined(at, NULL, 0, data, len);
}

char *hf_redis_write_text(char *at, const char *text)
{
    return hf_redis_write_bytes(at, text, strlen(text));
}

char *hf_redis_write_number(char *at, uint64_t number)
{
    char digits[20];
    char *end = hf_redis_write_digits(digits, number);
    return hf_redis_write_bytes(at, digits, (size_t)(end - digits));
}
