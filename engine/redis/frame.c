#include "redis/frame.h"

#include <stdbool.h>
#include <string.h>

#include <holdfast/error.h>

/* snprintf is too slow for the publish path. */
static char *write_number(char *at, uint64_t value)
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

/* Moves *at behind a decimal number without leading zeros; false when there is none. */
static bool read_number(const char **at, const char *end, uint64_t *out)
{
    const char *start = *at;
    const char *cursor = start;
    uint64_t value = 0;
    while (cursor < end && *cursor >= '0' && *cursor <= '9') {
        uint64_t digit = (uint64_t)(*cursor - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
        cursor++;
    }
    if (cursor == start || (*start == '0' && cursor - start > 1))
        return false;
    *at = cursor;
    *out = value;
    return true;
}

static bool read_position(const char **at, const char *end, struct hf_position *position)
{
    const char *cursor = *at;
    if (!read_number(&cursor, end, &position->epoch) || position->epoch > HF_EPOCH_MAX)
        return false;
    if (cursor == end || *cursor++ != '-')
        return false;
    if (!read_number(&cursor, end, &position->offset))
        return false;
    *at = cursor;
    return true;
}

size_t hf_position_format(struct hf_position position, char text[HF_POSITION_TEXT_SIZE])
{
    char *at = write_number(text, position.epoch);
    *at++ = '-';
    at = write_number(at, position.offset);
    *at = '\0';
    return (size_t)(at - text);
}

int hf_position_parse(const char *text, size_t len, struct hf_position *position)
{
    const char *at = text;
    if (!read_position(&at, text + len, position) || at != text + len)
        return HF_EINVAL;
    return HF_OK;
}

static char *write_attribute(char *at, char mark, uint64_t value)
{
    *at++ = ' ';
    *at++ = mark;
    return write_number(at, value);
}

size_t hf_frame_head(const struct hf_publication_fields *fields, char head[HF_FRAME_HEAD_SIZE])
{
    char *at = head;
    *at++ = ' ';
    at = write_number(at, fields->data.len);
    if (fields->info.len > 0)
        at = write_attribute(at, 'i', fields->info.len);
    if (fields->tags.len > 0)
        at = write_attribute(at, 't', fields->tags.len);
    if (fields->version > 0)
        at = write_attribute(at, 'v', fields->version);
    if (fields->version > 0 && fields->version_epoch.len > 0)
        at = write_attribute(at, 'e', fields->version_epoch.len);
    if (fields->delta) {
        *at++ = ' ';
        *at++ = 'd';
    }
    *at++ = '\n';
    *at = '\0';
    return (size_t)(at - head);
}

/* " <mark><number>" when it is next. False: it begins so, but the number is bad. */
static bool read_attribute(const char **at, const char *end, char mark, uint64_t *value)
{
    *value = 0;
    if (end - *at < 2 || (*at)[0] != ' ' || (*at)[1] != mark)
        return true;
    *at += 2;
    return read_number(at, end, value) && *value > 0;
}

/* Takes `len` bytes of the body; false when it is shorter. */
static bool read_bytes(const char **at, const char *end, uint64_t len, struct hf_bytes *bytes)
{
    if (len > (uint64_t)(end - *at))
        return false;
    *bytes = (struct hf_bytes){len > 0 ? *at : NULL, (size_t)len};
    *at += len;
    return true;
}

int hf_frame_parse(const char **cursor, const char *end, struct hf_position *position,
                   struct hf_publication_fields *fields)
{
    const char *at = *cursor;
    uint64_t data_len, info_len, tags_len, epoch_len = 0;

    memset(fields, 0, sizeof *fields);
    if (!read_position(&at, end, position))
        return HF_EINVAL;
    if ((position->epoch == 0) != (position->offset == 0))
        return HF_EINVAL;
    if (at < end && *at == '\n') {
        at++;
        fields->data = (struct hf_bytes){at < end ? at : NULL, (size_t)(end - at)};
        *cursor = end;
        return HF_OK;
    }
    if (at == end || *at++ != ' ' || !read_number(&at, end, &data_len))
        return HF_EINVAL;
    if (!read_attribute(&at, end, 'i', &info_len) || !read_attribute(&at, end, 't', &tags_len) ||
        !read_attribute(&at, end, 'v', &fields->version) ||
        (fields->version > 0 && !read_attribute(&at, end, 'e', &epoch_len)))
        return HF_EINVAL;
    if (end - at >= 2 && at[0] == ' ' && at[1] == 'd') {
        fields->delta = true;
        at += 2;
    }
    if (at == end || *at++ != '\n')
        return HF_EINVAL;
    if (!read_bytes(&at, end, data_len, &fields->data) ||
        !read_bytes(&at, end, info_len, &fields->info) ||
        !read_bytes(&at, end, tags_len, &fields->tags) ||
        !read_bytes(&at, end, epoch_len, &fields->version_epoch))
        return HF_EINVAL;
    *cursor = at;
    return HF_OK;
}
