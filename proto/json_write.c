#include "json.h"
#include "json_scan.h"

static void append_escape(struct hf_buffer *buffer, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', (char)byte, '0', '0', 0, 0};
    size_t len = 2;
    switch (byte) {
    case '"':
    case '\\':
        break;
    case '\b':
        escape[1] = 'b';
        break;
    case '\f':
        escape[1] = 'f';
        break;
    case '\n':
        escape[1] = 'n';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    case '\t':
        escape[1] = 't';
        break;
    default:
        escape[1] = 'u';
        escape[4] = digits[byte >> 4];
        escape[5] = digits[byte & 15];
        len = sizeof(escape);
    }
    hf_buffer_append(buffer, escape, len);
}

void hf_json_append_string(struct hf_buffer *buffer, struct hf_slice text)
{
    if (text.len > SIZE_MAX / 2 || !hf_buffer_reserve(buffer, text.len + 2)) {
        buffer->failed = true;
        return;
    }
    hf_buffer_append_char(buffer, '"');
    const char *at = text.len != 0 ? text.data : "";
    const char *end = at + text.len;
    while (at < end) {
        const char *special = hf__json_skip_plain(at, end, false);
        hf_buffer_append(buffer, at, (size_t)(special - at));
        at = special;
        if (at < end) {
            append_escape(buffer, (unsigned char)*at++);
        }
    }
    hf_buffer_append_char(buffer, '"');
}

void hf_json_append_raw(struct hf_buffer *buffer, struct hf_slice raw)
{
    if (raw.len == 0) {
        return;
    }
    if (!memchr(raw.data, '\n', raw.len) && !memchr(raw.data, '\r', raw.len)) {
        hf_buffer_append_slice(buffer, raw);
        return;
    }
    const char *from = raw.data;
    const char *end = raw.data + raw.len;
    for (const char *at = from; at < end; at++) {
        if (*at == '\n' || *at == '\r') {
            hf_buffer_append(buffer, from, (size_t)(at - from));
            from = at + 1;
        }
    }
    hf_buffer_append(buffer, from, (size_t)(end - from));
}
