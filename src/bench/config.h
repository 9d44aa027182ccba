/* config.h - one point of a sweep: what is trained and how.
 *
 * CONFIG_FIELDS is the one list of them: the options of the command line, the keys of .sweep files, the identity of a
 * configuration and the columns of the results come from it.  A field's option is its name with dashes.
 * Neighbours belong together: --help has a heading where a group of fields begins (help.c).
 *   F(kind, name, default, unit, help)     kind: TEXT, U64 or F64 */
#ifndef CONFIG_H
#define CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FIELDS(F)                                                                                               \
    F(TEXT, trainer, "microbatch", "", "how the sum of clipped per-sample gradients is computed")                      \
    F(TEXT, model, "tiny", "", "architecture and size; the five sizes below override it")                              \
    F(U64, layers, 0, "1", "transformer blocks (0: as the model says)")                                                \
    F(U64, dim, 0, "1", "width D (0: as the model says)")                                                              \
    F(U64, heads, 0, "1", "attention heads (0: as the model says)")                                                    \
    F(U64, vocab, 0, "1", "vocabulary size V (0: as the model says)")                                                  \
    F(U64, max_seq, 0, "1", "learned positions (0: as the model says)")                                                \
    F(U64, batch_size, 4, "1", "samples of one optimizer step (the logical batch)")                                    \
    F(U64, physical_batch_size, 0, "1", "samples in memory at once (0: all of the rank's)")                            \
    F(U64, seq_len, 64, "1", "tokens of a sample T")                                                                   \
    F(TEXT, recompute, "none", "", "what backward passes form again; block: all of a block, from its input")           \
    F(TEXT, precision, "fp32", "", "factors of matrix products are rounded to it; all else is fp32")              \
    F(TEXT, device, DPSWEEP_DEVICE, "", "what it runs on; chosen when dpsweep is built")                               \
    F(TEXT, optimizer, "sgd", "", "how weights are updated")                                                           \
    F(F64, learning_rate, 1e-3, "1", "of the optimizer")                                                               \
    F(F64, momentum, 0.9, "1", "of SGD")                                                                               \
    F(TEXT, accumulate, "sum", "", "where a step adds up gradients: a sum, or SGD's momentum, P numbers less")         \
    F(F64, adam_beta1, 0.9, "1", "of AdamW")                                                                           \
    F(F64, adam_beta2, 0.999, "1", "of AdamW")                                                                         \
    F(F64, adam_eps, 1e-8, "1", "of AdamW")                                                                            \
    F(F64, weight_decay, 0.0, "1", "of AdamW")                                                                         \
    F(F64, dropout, 0.0, "1", "probability after attention output, activation, FFN output")                            \
    F(U64, ranks_per_run, 1, "1", "ranks that train one configuration together")                                       \
    F(TEXT, clipping, "", "", "how one sample's gradient is bounded (left out: flat, and none for standard)")          \
    F(TEXT, norm_mode, "instantiate", "", "how fastclip forms the norm of a linear layer's gradient")                  \
    F(F64, max_grad_norm, 1.0, "1", "clipping threshold R")                                                            \
    F(F64, clip_quantile, 0.0, "1", "share of samples not to be clipped, which R then follows (0: R is fixed)")        \
    F(F64, clip_learning_rate, 0.2, "1", "of R, where it follows a quantile")                                          \
    F(F64, clip_count_noise, 0.0, "1", "noise on the count of unclipped samples (0: little for the accountant)")       \
    F(F64, noise_multiplier, 1.0, "1", "noise standard deviation over R")                                              \
    F(F64, target_epsilon, 0.0, "1", "choose the noise multiplier for this epsilon (0: as --noise-multiplier says)")   \
    F(F64, delta, 1e-5, "1", "of the (epsilon, delta) that is stated")                                                 \
    F(U64, privacy_steps, 0, "1", "steps of training that epsilon is stated for (0: the steps of the run)")            \
    F(TEXT, noise_placement, "sum", "", "where a group adds its noise")                                                \
    F(TEXT, noise_generator, "philox", "", "philox: repeatable; chacha20: secret, on a grid (--secure-noise)")         \
    F(TEXT, data, "random", "", "'random', 'random:RECORDS', a text FILE.txt or a token shard FILE.bin")               \
    F(TEXT, record, "line", "", "what one record of a text is")                                                        \
    F(TEXT, sampling, "shuffle", "", "how records are drawn for a step")                                               \
    F(U64, max_batch_size, 0, "1", "of poisson, more are dropped (0: so many that 1 batch in 10^18 is larger)")        \
    F(U64, wait_steps, 1, "1", "steps before the warm-up, not measured")                                               \
    F(U64, warmup_steps, 2, "1", "warm-up steps, not measured")                                                        \
    F(U64, active_steps, 3, "1", "measured steps")                                                                     \
    F(U64, seed, 1, "1", "of weights, data, sampling and noise")                                                       \
    F(U64, memory_budget, 0, "byte", "device memory to plan for: auto chooses by it, more is not run (0: none)") \
    F(U64, memory_limit, 0, "byte", "device memory the run may take; more is a result oom_device (0: no limit)")

#ifndef DPSWEEP_DEVICE
#define DPSWEEP_DEVICE "cpu"
#endif

enum field_kind { FIELD_TEXT, FIELD_U64, FIELD_F64, FIELD_LONG = FIELD_TEXT };
#define TEXT_BYTES 128              /* of a TEXT, terminator included */
#define LONG_BYTES 512              /* of a LONG, a text that may be a sentence of somebody else's */
#define FIELD_TYPE_TEXT(name) char name[TEXT_BYTES];
#define FIELD_TYPE_LONG(name) char name[LONG_BYTES];
#define FIELD_TYPE_U64(name) uint64_t name;
#define FIELD_TYPE_F64(name) double name;
#define CONFIG_MEMBER(kind, name, default_value, unit, help) FIELD_TYPE_##kind(name)

struct config { CONFIG_FIELDS(CONFIG_MEMBER) };

#define CONFIG_COUNT(kind, name, default_value, unit, help) +1
enum { N_CONFIG_FIELDS = CONFIG_FIELDS(CONFIG_COUNT) };

struct field {
    enum field_kind kind;
    const char *name, *unit, *help, *default_text;
    size_t offset, bytes;           /* in struct config (or struct record) */
};
extern const struct field config_field[N_CONFIG_FIELDS];
extern const int n_config_fields;
const struct field *config_field_find(const char *name); /* with dashes or underscores; NULL: unknown */

/* The option of a field, its name with dashes: option_of(field).text */
struct option_name { char text[48]; };
struct option_name option_of(const struct field *);

void config_default(struct config *);
/* Sets one field from text; false: not a value of this field, and `error` says so in one line that begins with the
 * option and names the valid values. */
bool config_set(struct config *, const struct field *, const char *text, char *error, size_t error_bytes);
void field_text(const struct field *, const void *base, char *text, size_t bytes); /* config_set's inverse, exact */
/* Fills sizes from the model preset, physical batch size and clipping; checks that the point is possible.
 * False: impossible, `error` is one line with the reason and the remedy. */
bool config_resolve(struct config *, char *error, size_t error_bytes);
/* The usual --clip-count-noise for the noise multiplier, or whether the one that was asked for is enough.  Part of
 * config_resolve but with --target-epsilon, where it comes after the noise multiplier is found. */
bool config_resolve_count_noise(struct config *, char *error, size_t error_bytes);
uint64_t config_memory(const struct config *); /* the less of memory_limit and memory_budget; 0: neither is said */
void config_sha256(const struct config *, char hex[65]); /* identity: of all fields in table order */
struct model_shape;
void config_model_shape(const struct config *, struct model_shape *); /* of a resolved configuration */

/* The values a field takes, for --help: "standard, dpsgd", "1 to 65536"; empty: any text. */
void config_values(const struct field *, char *text, size_t bytes);
/* The least and greatest value of a number. */
struct range { double min, max; };
struct range config_range(const struct field *);
#endif
