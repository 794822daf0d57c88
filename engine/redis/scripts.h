/* Scripts: the Lua scripts of lua/, embedded by scripts/lua_table.py, which writes the table at
 * build time. Constant; any thread. What a script does, takes and answers stands in its header. */
#ifndef HF_REDIS_SCRIPTS_H
#define HF_REDIS_SCRIPTS_H

#include <stddef.h>

/* A new file in lua/ gets its line here; the generated table does not compile otherwise. */
enum hf_script_id {
    HF_SCRIPT_PRESENCE_GET,
    HF_SCRIPT_PRESENCE_STATS,
    HF_SCRIPT_PRESENCE_UPDATE,
    HF_SCRIPT_STREAM_CREATE,
    HF_SCRIPT_STREAM_MEND,
    HF_SCRIPT_STREAM_PUBLISH,
    HF_SCRIPT_STREAM_PUBLISH_ONCE,
    HF_SCRIPT_STREAM_REMOVE,
    HF_SCRIPTS, /* how many there are */
};

struct hf_script {
    const char *name;
    const char *sha1; /* 40 hexadecimal digits, what EVALSHA takes */
    const char *text; /* without the header comment */
    size_t len;       /* of the text */
};

extern const struct hf_script hf_scripts[HF_SCRIPTS];

#endif
