#include "profile.h"

#include "../base/check.h"
#include "../base/text.h"
#include "device.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
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

/* An entry that is read, and what is wrong with it. */
struct reading {
    struct rates *r;
    char name[32];                   /* "profiles[0]" */
    char *error;
    size_t error_bytes;
};

static bool wrong(struct reading *in, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool wrong(struct reading *in, const char *key, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(in->error, in->error_bytes, "%s.%s: %s", in->name, key, why);
    return false;
}

static bool get_terms(struct reading *in, const cJSON *object, const char *key, const char *const *name, int n,
                      double *s)
{
    char term[96];
    for (int i = 0; i < n; i++) {
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name[i]);
        snprintf(term, sizeof term, "%s.%s", key, name[i]);
        if (!cJSON_IsNumber(number))
            return wrong(in, term, "no number is there");
        if (!(number->valuedouble >= 0) || !isfinite(number->valuedouble))
            return wrong(in, term, "%g s is not a time", number->valuedouble);
        s[i] = number->valuedouble;
    }
    return true;
}

/* No device is out of these bounds with what takes milliseconds on one core. */
static bool is_possible(struct reading *in, const char *key, double s, const char *what)
{
    if (s >= 1e-9 && s <= 1e5)
        return true;
    return wrong(in, key, "%s would take %g s, which cannot be", what, s);
}

static bool get_product(struct reading *in, const cJSON *products, enum gemm_op op)
{
    const struct product large = {op, 1024, 1024, 1024, 1};
    char key[32];
    snprintf(key, sizeof key, "products.%s", op_name[op]);
    return get_terms(in, cJSON_GetObjectItemCaseSensitive(products, op_name[op]), key, product_term, N_PRODUCT_TERMS,
                     in->r->product_s[op]) &&
           is_possible(in, key, rates_product_s(in->r, &large), "a product of 1024 x 1024 x 1024");
}

static bool get_kernel(struct reading *in, const cJSON *item)
{
    struct kernel_rate *kernel = &in->r->kernel[in->r->n_kernels];
    char key[64];
    snprintf(key, sizeof key, "kernels.%s", item->string);
    if (in->r->n_kernels++ == KERNEL_RATES_MOST)
        return wrong(in, key, "there are more than %d kernels", KERNEL_RATES_MOST);
    if ((size_t)snprintf(kernel->name, sizeof kernel->name, "%s", item->string) >= sizeof kernel->name)
        return wrong(in, key, "is longer than %zu letters", sizeof kernel->name - 1);
    return get_terms(in, item, key, kernel_term, N_KERNEL_TERMS, kernel->s) &&
           is_possible(in, key, rates_kernel_s(in->r, kernel->name, 0x1p26), "64 MiB");
}

static bool get_kernels(struct reading *in, const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
        if (!get_kernel(in, item))
            return false;
    return (in->r->n_kernels > 0 && !in->r->kernel[0].name[0]) || wrong(in, "kernels", "the first is not \"\"");
}

static bool get_text(struct reading *in, const cJSON *object, const char *name, char *text, size_t bytes)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return (cJSON_IsString(item) && (size_t)snprintf(text, bytes, "%s", item->valuestring) < bytes) ||
           wrong(in, name, "no text of at most %zu letters is there", bytes - 1);
}

static bool get_device(struct reading *in, const cJSON *object)
{
    char precision[16];
    const cJSON *threads = cJSON_GetObjectItemCaseSensitive(object, "threads");
    if (!get_text(in, object, "device", in->r->device, sizeof in->r->device) ||
        !get_text(in, object, "date", in->r->date, sizeof in->r->date) ||
        !get_text(in, object, "precision", precision, sizeof precision))
        return false;
    if (!cJSON_IsNumber(threads))
        return wrong(in, "threads", "no number is there");
    in->r->threads = threads->valueint;
    for (int p = 0; p < N_PRECISIONS; p++)
        if (strcmp(precision, precision_name[p]) == 0)
            in->r->precision = (enum precision)p;
    return in->r->precision < N_PRECISIONS || wrong(in, "precision", "'%s' is none", precision);
}

static bool get_entry(struct reading *in, const cJSON *object)
{
    const cJSON *products = cJSON_GetObjectItemCaseSensitive(object, "products");
    *in->r = (struct rates){.precision = N_PRECISIONS};
    if (!get_device(in, object))
        return false;
    for (int op = 0; op < N_GEMM_OPS; op++)
        if (!get_product(in, products, (enum gemm_op)op))
            return false;
    return get_kernels(in, cJSON_GetObjectItemCaseSensitive(object, "kernels"));
}

static bool get_entries(const cJSON *root, struct profile *p, char *error, size_t error_bytes)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "profiles"), *item;
    snprintf(error, error_bytes, "no list of at most %d profiles is there", PROFILE_MOST);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PROFILE_MOST)
        return false;
    cJSON_ArrayForEach(item, list) {
        struct reading in = {.r = &p->entry[p->n], .error = error, .error_bytes = error_bytes};
        snprintf(in.name, sizeof in.name, "profiles[%d]", p->n++);
        if (!get_entry(&in, item))
            return false;
    }
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
    char why[512] = "is not JSON";
    cJSON *root = cJSON_Parse(text);
    const bool fine = root && get_entries(root, p, why, sizeof why);
    if (!fine) {
        p->n = 0;
        snprintf(error, error_bytes, "%s: not a profile of dpsweep tune, or damaged: %s; remove it and tune again",
                 path, why);
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

struct beside { char path[4096]; };

/* What becomes `path` when it is renamed; NULL and errno: it cannot be written. */
static FILE *open_beside(const char *path, struct beside *beside)
{
    snprintf(beside->path, sizeof beside->path, "%s.%d", path, (int)getpid());
    return make_folders(path) ? fopen(beside->path, "w") : NULL;
}

static bool refuse_to_write(const char *path, char *error, size_t error_bytes)
{
    snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    return false;
}

bool profile_is_writable(const char *path, char *error, size_t error_bytes)
{
    struct beside beside;
    FILE *file = open_beside(path, &beside);
    if (!file)
        return refuse_to_write(path, error, error_bytes);
    fclose(file);
    unlink(beside.path);
    return true;
}

/* Readers see the old file or the new one. */
static bool write_all(const char *path, const char *text)
{
    struct beside beside;
    FILE *file = open_beside(path, &beside);
    if (!file)
        return false;
    const bool written = fputs(text, file) >= 0 && fputc('\n', file) >= 0;
    if (fclose(file) == 0 && written && rename(beside.path, path) == 0)
        return true;
    unlink(beside.path);
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
        fine = write_all(path, text) || refuse_to_write(path, error, error_bytes);
        cJSON_free(text);
    }
    free(p);
    return fine;
}

/* ---- of this process ----------------------------------------------------------------------------------------- */

static struct {
    struct profile profile;
    char path[4096], device[128];
    bool is_named, is_said[N_PRECISIONS];  /* --profile; that it lacks rates */
} chosen;

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
    chosen.is_named = path;
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

void profile_say_what_it_lacks(const struct rates *r)
{
    char wanted[64] = "";
    if (r->date[0] || !chosen.path[0] || chosen.is_said[r->precision])
        return;
    chosen.is_said[r->precision] = true;
    if (r->threads)
        text_append(wanted, sizeof wanted, "--threads %d ", r->threads);
    text_append(wanted, sizeof wanted, "--precision %s", precision_name[r->precision]);
    log_warn("times are estimated by default rates: %s has none of this device with %s; 'dpsweep tune %s%s%s%s' "
             "measures them", chosen.path, wanted, chosen.is_named ? "--profile " : "",
             chosen.is_named ? chosen.path : "", chosen.is_named ? " " : "", wanted);
}
