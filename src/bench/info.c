#include "info.h"

#include "../base/log.h"
#include "../base/text.h"
#include "../device/device.h"
#include "../model/model.h"
#include "../records/format_doc.h"
#include "../records/store.h"
#include "../trainers/trainer.h"
#include "../../mpi/world.h"
#include "help.h"
#include "preflight.h"

#include <cjson/cJSON.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static int cores_allowed(void)
{
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

static void add_program(cJSON *info)
{
    cJSON *program = cJSON_AddObjectToObject(info, "program");
    cJSON_AddStringToObject(program, "version", DPSWEEP_VERSION);
    cJSON_AddStringToObject(program, "built_for", DPSWEEP_DEVICE);
    cJSON_AddStringToObject(program, "commit", DPSWEEP_GIT_COMMIT);
    cJSON_AddStringToObject(program, "compiler", DPSWEEP_COMPILER);
}

static void add_libraries(cJSON *info, const struct device_info *device)
{
    cJSON *libraries = cJSON_AddObjectToObject(info, "libraries");
    cJSON_AddStringToObject(libraries, "device", device->libraries);
    cJSON_AddStringToObject(libraries, "MPI", world_library());
    cJSON_AddStringToObject(libraries, "HDF5", store_hdf5_version());
    cJSON_AddStringToObject(libraries, "cJSON", cJSON_Version());
    cJSON_AddStringToObject(libraries, "libsodium", sodium_version_string());
    cJSON_AddStringToObject(libraries, "zlib", zlibVersion());
}

static void add_machine(cJSON *info, const struct device_info *device)
{
    char host[128] = "";
    cJSON *machine = cJSON_AddObjectToObject(info, "machine");
    gethostname(host, sizeof host - 1);
    cJSON_AddStringToObject(machine, "host", host);
    cJSON_AddStringToObject(machine, "device", device->name);
    cJSON_AddNumberToObject(machine, "device_memory_bytes", (double)device->memory_bytes);
    const double memory_bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE);
    cJSON_AddNumberToObject(machine, "memory_bytes", memory_bytes);
    cJSON_AddNumberToObject(machine, "cores", cores_allowed());
}

static void add_trainers(cJSON *info)
{
    const struct trainer_ops *trainer;
    cJSON *trainers = cJSON_AddObjectToObject(info, "trainers");
    for (int i = 0; (trainer = trainer_at(i)); i++)
        cJSON_AddStringToObject(trainers, trainer->name, trainer->summary);
    cJSON_AddItemToObject(info, "clippings", cJSON_CreateStringArray(clipping_name, N_CLIPPINGS));
}

static void add_models(cJSON *info)
{
    const struct model_size *size;
    cJSON *models = cJSON_AddObjectToObject(info, "models");
    for (int i = 0; (size = model_size_at(i)); i++) {
        const struct model_shape *shape = &size->shape;
        cJSON *model = cJSON_AddObjectToObject(models, size->name);
        cJSON_AddStringToObject(model, "arch", arch_name[shape->arch]);
        cJSON_AddNumberToObject(model, "vocab", shape->vocab);
        cJSON_AddNumberToObject(model, "dim", shape->dim);
        cJSON_AddNumberToObject(model, "layers", shape->layers);
        cJSON_AddNumberToObject(model, "heads", shape->heads);
        cJSON_AddNumberToObject(model, "max_seq", shape->max_seq);
        cJSON_AddNumberToObject(model, "n_params", (double)model_shape_params(shape));
    }
}

/* ---- as text ------------------------------------------------------------------------------------------------- */

/* "2.6.3", "1000", "none, flat" or "arch postln, vocab 1000" */
static void print_value(const cJSON *value)
{
    const cJSON *item;
    if (cJSON_IsString(value))
        printf("%s", value->valuestring);
    if (cJSON_IsNumber(value))
        printf("%.0f", value->valuedouble);
    if (cJSON_IsArray(value) || cJSON_IsObject(value))
        cJSON_ArrayForEach(item, value) {
            printf("%s%s", item == value->child ? "" : ", ", item->string ? item->string : "");
            printf("%s", item->string ? " " : "");
            print_value(item);
        }
}

/* "device_memory_bytes" is "device memory" for people, and its number "23.5 GiB". */
static void print_item(const cJSON *item)
{
    static const char suffix[] = "_bytes";
    char name[64], size[32];
    snprintf(name, sizeof name, "%s", item->string);
    char *unit = strstr(name, suffix);
    const bool is_size = cJSON_IsNumber(item) && unit && !unit[strlen(suffix)];
    if (is_size)
        *unit = '\0';
    for (char *c = name; (c = strchr(c, '_'));)
        *c = ' ';
    printf("  %-18s  ", name);
    if (is_size) {
        text_from_bytes(item->valuedouble, size, sizeof size);
        printf("%s", size);
    } else {
        print_value(item);
    }
    printf("\n");
}

static void print_text(const cJSON *info)
{
    const cJSON *part, *item;
    cJSON_ArrayForEach(part, info) {
        printf("%s%s", part == info->child ? "" : "\n", part->string);
        if (cJSON_IsArray(part)) {
            printf("\n  ");
            print_value(part);
            printf("\n");
            continue;
        }
        printf("\n");
        cJSON_ArrayForEach(item, part)
            print_item(item);
    }
}

/* A machine without a GPU can still say what it has; the reason stands in the place of the GPU's name. */
static void describe_device(struct device_info *device)
{
    const char *absent = device_absent();
    if (!absent)
        device_open(0);
    device_describe(device);
    if (absent)
        snprintf(device->name, sizeof device->name, "none: %s", absent);
}

static void print(cJSON *info, bool json)
{
    if (json) {
        char *text = cJSON_Print(info);
        puts(text);
        cJSON_free(text);
    } else {
        print_text(info);
    }
    cJSON_Delete(info);
}

static void print_info(bool json)
{
    struct device_info device;
    describe_device(&device);
    cJSON *info = cJSON_CreateObject();
    add_program(info);
    add_libraries(info, &device);
    add_machine(info, &device);
    add_trainers(info);
    add_models(info);
    print(info, json);
    device_close();
}

static void print_gpus(void)
{
    char line[256];
    const char *absent = device_is_gpu() ? device_absent() : "this program is built for CPUs: make DEVICE=cuda";
    if (absent)
        die(EXIT_ENVIRONMENT, "%s", absent);
    for (int i = 0; device_gpu(i, line, sizeof line); i++)
        puts(line);
}

static int print_preflight(int argc, char **argv, bool json)
{
    cJSON *report;
    world_open(&argc, &argv);
    const int code = preflight(&report);
    if (report)
        print(report, json);
    world_close();
    return code;
}

static bool asks_for_mpi(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--mpi") == 0)
            return true;
    return false;
}

int info_main(int argc, char **argv)
{
    struct options options;
    if (world_rank_of_launcher() > 0 && !asks_for_mpi(argc, argv)) /* the rest is said once */
        return EXIT_OK;
    const int code = options_parse("info", argc, argv, &options, NULL);
    if (code >= 0)
        return code;
    if (options.mpi)
        return print_preflight(argc, argv, options.json);
    if (options.results_format)
        results_format_write(stdout);
    else if (options.gpus)
        print_gpus();
    else if (options.options_doc)
        help_markdown(stdout);
    else
        print_info(options.json);
    return EXIT_OK;
}
