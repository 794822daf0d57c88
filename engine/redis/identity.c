#include "redis/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *hello_value(const struct hf_reply *hello, const char *name)
{
    for (size_t i = 0; i + 1 < hello->len; i += 2) {
        if (hf_reply_is_text(hello->items[i], name) && hello->items[i + 1]->type == HF_REPLY_TEXT)
            return hello->items[i + 1]->text;
    }
    return "";
}

long hf_redis_hello_version(const struct hf_reply *hello)
{
    return strtol(hello_value(hello, "version"), NULL, 10);
}

bool hf_redis_hello_is_replica(const struct hf_reply *hello)
{
    return strcmp(hello_value(hello, "role"), "master") != 0;
}

/* The first 16 hexadecimal digits behind `name` and a colon. 0: none. */
static uint64_t parse_id(const char *info, const char *name)
{
    char line[32];
    int len = snprintf(line, sizeof line, "\r\n%s:", name);
    const char *found = strstr(info, line);
    char digits[17] = "";
    if (found != NULL) {
        snprintf(digits, sizeof digits, "%s", found + len);
    }
    return strtoull(digits, NULL, 16);
}

uint64_t hf_redis_info_life(const char *info)
{
    uint64_t process = parse_id(info, "run_id");
    return process != 0 ? process ^ parse_id(info, "master_replid") : 0;
}
