/* Gives each file of the folders that are named to a fuzz target once: every build, whatever its
 * compiler, checks the seeds and former finds. Fails when there is none. */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

static int replay(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL) {
        perror(path);
        return -1;
    }
    size = fread(data, 1, sizeof(data), file);
    (void)fclose(file);
    (void)fprintf(stderr, "%s: %zu bytes\n", path, size);
    (void)LLVMFuzzerTestOneInput(data, size);
    return 0;
}

/* How many files there were, negative when one could not be read. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int count = 0;

    if (dir == NULL) {
        perror(folder);
        return -1;
    }
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
            count = replay(path) == 0 ? count + 1 : -1;
        }
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);

        (void)printf("%s: %d inputs\n", argv[i], count);
        failed = failed || count <= 0;
    }
    return failed;
}
