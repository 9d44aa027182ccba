/* data.h - records of tokens and the batches made of them.
 *
 *   random      tokens from the seed, every record full; 2^31 records, or N of them: random:N
 *   FILE.txt    bytes as tokens; one record per line or paragraph (separated by blank lines), cut at T tokens, padded
 *               and masked; blank records are left out; CR LF counts as LF
 *   FILE.bin    uint16 token shard with llm.c's header (magic 20240520, version 1, tokens), cut into records of T;
 *               what is left at the end is not used
 * Record i of a data set is the same whatever the batch size.  A record of one token has no target: it is a member
 * of its batch with loss 0. */
#ifndef DATA_H
#define DATA_H
#include "../model/model.h"
#include "../../mpi/group.h"

struct dataset;

/* NULL: cannot be read, does not fit the model, or has fewer records than a batch; `error` is one line with the
 * remedy.  T: tokens of a sample, V: vocabulary.  Nothing about a data set fails after that. */
struct dataset *dataset_open(const char *data, const char *record, int T, int V, int batch_size, uint64_t seed,
                             char *error, size_t error_bytes);
void dataset_close(struct dataset *);
long dataset_records(const struct dataset *);   /* N */

/* Tokens of record i, padded with 0 to T; returns its length, 1..T. */
int dataset_record(const struct dataset *, long i, int *token);

/* A device buffer for `capacity` samples and the host side of it (batch.c). */
struct batch_buffer;
struct batch_buffer *batch_buffer_create(int capacity, int T); /* NULL: out of memory, see ledger_message() */
void batch_buffer_free(struct batch_buffer *);
struct batch batch_buffer_view(const struct batch_buffer *, int n); /* whatever it holds, for rehearsals */
/* The samples of a logical batch of n that a rank of a group takes: neighbours; shares differ by one sample at most. */
struct part batch_share(long n, int rank, int size);
/* A share of a batch of given records (sampler.h).  Copies it to the device, allocates nothing.  *valid_tokens (may be
 * NULL) gets the unpadded input tokens of the share. */
struct batch dataset_batch(const struct dataset *, struct batch_buffer *, const long *record, struct part share,
                           uint64_t *valid_tokens);
/* For verification, the samples of some places, whatever the batch: the records in order, over and over, from the first
 * on that has a token to predict.  Those of even places repeat the tokens of their first half in their second, so that
 * repeated ids are met whatever the vocabulary; losses count 1, 1/2 and 1/4 in turn, so that gradients of alike samples
 * differ in length. */
struct batch dataset_batch_to_verify(const struct dataset *, struct batch_buffer *, struct part places);
/* The same from given tokens: token (n,T), length (n) valid tokens of each. */
struct batch batch_from_tokens(struct batch_buffer *, const int *token, const int *length, int n);
#endif
