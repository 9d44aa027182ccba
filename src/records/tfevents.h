/* tfevents.h - TensorBoard's event files: TFRecord frames (length, its CRC, data, its CRC; masked CRC-32C), each an
 * Event message (tensorflow/core/util/event.proto). */
#ifndef TFEVENTS_H
#define TFEVENTS_H
#include "record.h"

#include <stdio.h>

uint32_t crc32c(const void *data, size_t bytes); /* Castagnoli's polynomial, as iSCSI and SSE 4.2 have it */

void tfevents_begin(FILE *, double wall_time);
void tfevents_scalar(FILE *, double wall_time, uint64_t step, const char *tag, double value); /* NaN: not written */
/* For the plugin `hparams`: the configuration when the run begins, how it ended at its end. */
void tfevents_hparams(FILE *, const struct record *);
void tfevents_ended(FILE *, const struct record *);
#endif
