#include "profile.h"

#include "../base/check.h"
#include "../base/text.h"
#include "device.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TERM_NAME(NAME, name) #name,
static const char *const product_term[N_PRODUCT_TERMS] = {PRODUCT_TERM_LIST(TERM_NAME)};
static const char *const kernel_term[N_KERNEL_TERMS] = {KERNEL_TERM_LIST(TERM_NAME)};
static const char *const op_name[N_GEMM_OPS] = {[GEMM_NT] = "NT", [GEMM_NN] = "NN", [GEMM_TN] = "TN"};

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool get_terms(const cJSON *object, const char *const *name, int n, double *s)
{
    for (int i = 0; i < n; i++) {
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name[i]);
        if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0) || !isfinite(number->valuedouble))
            return false;
        s[i] = number->valuedouble;
    }
    return true;
}

static bool get_text(const cJSON *object, const char *name, char *text, size_t bytes)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) && (size_t)snprintf(text, bytes, "%s", item->valuestring) < bytes;
}

static bool get_kernels(const cJSON *object, struct rates *r)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        struct kernel_rate *kernel = &r->kernel[r->n_kernels];
        if (r->n_kernels++ == KERNEL_RATES_MOST ||
            (size_t)snprintf(kernel->name, sizeof kernel->name, "%s", item->string) >= sizeof kernel->name ||
            !get_terms(item, kernel_term, N_KERNEL_TERMS, kernel->s))
            return false;
    }
    return r->n_kernels > 0 && !r->kernel[0].name[0];
}

static bool get_entry(const cJSON *object, struct rates *r)
{
    char precision[16];
    const cJSON *threads = cJSON_GetObjectItemCaseSensitive(object, "threads");
    const cJSON *products = cJSON_GetObjectItemCaseSensitive(object, "products");
    *r = (struct rates){.precision = N_PRECISIONS};
    if (!get_text(object, "device", r->device, sizeof r->device) ||
        !get_text(object, "date", r->date, sizeof r->date) ||
        !get_text(object, "precision", precision, sizeof precision) || !cJSON_IsNumber(threads))
        return false;
    r->threads = threads->valueint;
    for (int p = 0; p < N_PRECISIONS; p++)
        if (strcmp(precision, precision_name[p]) == 0)
            r->precision = (enum precision)p;
    for (int op = 0; op < N_GEMM_OPS; op++)
        if (!get_terms(cJSON_GetObjectItemCaseSensitive(products, op_name[op]), product_term, N_PRODUCT_TERMS,
                       r->product_s[op]))
            return false;
    return r->precision < N_PRECISIONS && get_kernels(cJSON_GetObjectItemCaseSensitive(object, "kernels"), r);
}

static bool get_entries(const cJSON *root, struct profile *p)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "profiles"), *item;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PROFILE_MOST)
        return false;
    cJSON_ArrayForEach(item, list)
        if (!get_entry(item, &p->entry[p->n++]))
            return false;
    return true;
}

/* The text of a file, or NULL and errno. */
static char *read_all(const char *path)
{
    enum { MOST_BYTES = 4 << 20 };
    FILE *file = fopen(path, "r");
    char *text = file ? calloc(1, MOST_BYTES + 1) : NULL;
    const size_t n = text ? fread(text, 1, MOST_BYTES, file) : 0;
    if (text && (ferror(file) || n == MOST_BYTES)) {
        errno = errno ? errno : EFBIG;
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

bool profile_read(struct profile *p, const char *path, char *error, size_t error_bytes)
{
    memset(p, 0, sizeof *p);
    char *text = read_all(path);
    if (!text) {
        snprintf(error, error_bytes, "%s: %s; 'dpsweep tune' writes a profile", path, strerror(errno));
        return false;
    }
    cJSON *root = cJSON_Parse(text);
    const bool fine = get_entries(root, p);
    if (!fine) {
        p->n = 0;
        snprintf(error, error_bytes, "%s: not a profile of dpsweep tune, or damaged: remove it and tune again", path);
    }
    cJSON_Delete(root);
    free(text);
    return fine;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void add_terms(cJSON *object, const char *name, const char *const *term, int n, const double *s)
{
    cJSON *terms = cJSON_AddObjectToObject(object, name);
    for (int i = 0; i < n; i++)
        cJSON_AddNumberToObject(terms, term[i], s[i]);
}

static cJSON *entry_object(const struct rates *r)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "device", r->device);
    cJSON_AddNumberToObject(object, "threads", r->threads);
    cJSON_AddStringToObject(object, "precision", precision_name[r->precision]);
    cJSON_AddStringToObject(object, "date", r->date);
    cJSON *products = cJSON_AddObjectToObject(object, "products");
    for (int op = 0; op < N_GEMM_OPS; op++)
        add_terms(products, op_name[op], product_term, N_PRODUCT_TERMS, r->product_s[op]);
    cJSON *kernels = cJSON_AddObjectToObject(object, "kernels");
    for (int i = 0; i < r->n_kernels; i++)
        add_terms(kernels, r->kernel[i].name, kernel_term, N_KERNEL_TERMS, r->kernel[i].s);
    return object;
}

static char *profile_text(const struct profile *p)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "profiles");
    for (int i = 0; i < p->n; i++)
        cJSON_AddItemToArray(list, entry_object(&p->entry[i]));
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}

static bool is_of(const struct rates *r, const char *device, int threads, enum precision precision)
{
    return strcmp(r->device, device) == 0 && r->threads == threads && r->precision == precision;
}

static void add(struct profile *p, const struct rates *r)
{
    int i = 0;
    while (i < p->n && !is_of(&p->entry[i], r->device, r->threads, r->precision))
        i++;
    if (i == PROFILE_MOST)           /* the oldest makes room */
        memmove(p->entry, p->entry + 1, (size_t)--i * sizeof *p->entry);
    p->entry[i] = *r;
    p->n = i < p->n ? p->n : i + 1;
}

static bool make_folders(const char *path)
{
    char folder[4096];
    for (const char *c = path; (c = strchr(c + 1, '/'));) {
        snprintf(folder, sizeof folder, "%.*s", (int)(c - path), path);
        if (mkdir(folder, 0777) < 0 && errno != EEXIST)
            return false;
    }
    return true;
}

/* Readers see the old file or the new one. */
static bool write_all(const char *path, const char *text)
{
    char beside[4096];
    snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid());
    FILE *file = make_folders(path) ? fopen(beside, "w") : NULL;
    if (!file)
        return false;
    const bool written = fputs(text, file) >= 0 && fputc('\n', file) >= 0;
    if (fclose(file) == 0 && written && rename(beside, path) == 0)
        return true;
    unlink(beside);
    return false;
}

bool profile_keep(const char *path, const struct rates *r, char *error, size_t error_bytes)
{
    struct profile *p = calloc(1, sizeof *p);
    CHECK(p);
    const bool is_new = access(path, F_OK) != 0;
    bool fine = is_new || profile_read(p, path, error, error_bytes);
    if (fine) {
        add(p, r);
        char *text = profile_text(p);
        fine = write_all(path, text);
        if (!fine)
            snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
        cJSON_free(text);
    }
    free(p);
    return fine;
}

/* ---- of this process ----------------------------------------------------------------------------------------- */

static struct { struct profile profile; char path[4096], device[128]; } chosen;

void profile_default_path(char *path, size_t bytes)
{
    const char *named = getenv("DPSWEEP_PROFILE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (named)
        snprintf(path, bytes, "%s", named);
    else if (cache && cache[0] == '/')
        snprintf(path, bytes, "%s/dpsweep/profile.json", cache);
    else if (home && home[0] == '/')
        snprintf(path, bytes, "%s/.cache/dpsweep/profile.json", home);
}

/* "": a GPU that is not open, and nobody said which. */
static const char *device_name(void)
{
    static struct device_info info;
    if (chosen.device[0])
        return chosen.device;
    device_describe(&info);
    return info.name;
}

static bool knows(const char *device)
{
    for (int i = 0; i < chosen.profile.n; i++)
        if (strcmp(chosen.profile.entry[i].device, device) == 0)
            return true;
    return false;
}

bool profile_choose(const char *path, const char *device, char *error, size_t error_bytes)
{
    char usual[4096];
    memset(&chosen, 0, sizeof chosen);
    snprintf(chosen.device, sizeof chosen.device, "%s", device ? device : "");
    profile_default_path(usual, sizeof usual);
    if (!path && (!usual[0] || access(usual, F_OK) != 0))
        return true;
    const bool fine = profile_read(&chosen.profile, path ? path : usual, error, error_bytes);
    if (fine)
        snprintf(chosen.path, sizeof chosen.path, "%s", path ? path : usual);
    else if (!path)
        log_warn("%s; times are estimated without it", error);
    if (path && fine && device_name()[0] && !knows(device_name())) {
        snprintf(error, error_bytes, "--profile %s: it has nothing about this device, %s; 'dpsweep tune' measures it",
                 path, device_name());
        return false;
    }
    return fine || !path;
}

const char *profile_path(void) { return chosen.path; }

void profile_rates(int threads, enum precision precision, struct rates *r)
{
    rates_default(r, threads, precision);
    for (int i = 0; i < chosen.profile.n; i++)
        if (is_of(&chosen.profile.entry[i], device_name(), r->threads, precision)) {
            *r = chosen.profile.entry[i];
            return;
        }
}
