/* report.c - a sweep in one of the formats. */
#include "report_columns.h"
#include "report_tables.h"

#include <stdlib.h>

static const char SORTED_COLUMNS[] = "run_id,trainer,clipping,model,batch_size,physical_batch_size,seq_len,peak_ledger,"
                                     "step_time_p50,throughput_p50,verdict,status"; /* when only an order is asked */

void report_table(FILE *out, const struct table *t, enum report_format format)
{
    static void (*const write[])(FILE *, const struct table *) = {
        [REPORT_TEXT] = table_text, [REPORT_MARKDOWN] = table_markdown, [REPORT_CSV] = table_csv,
        [REPORT_JSON] = table_json,
    };
    write[format](out, t);
}

static void write_columns(FILE *out, const struct sweep_state *s, const struct columns *columns,
                          enum report_format format)
{
    const struct run_rows rows = {s, columns};
    const struct table table = runs_table(&rows);
    report_table(out, &table, format);
}

/* `all` has the runs of standard that the shown ones are compared with. */
static void write_default(FILE *out, const struct sweep_state *shown, const struct sweep_state *all,
                          enum report_format format)
{
    struct columns columns = columns_all();
    if (format == REPORT_CSV || format == REPORT_JSON)
        write_columns(out, shown, &columns, format);
    else
        report_tables(out, shown, all, format == REPORT_MARKDOWN);
    columns_clear(&columns);
}

void report_write(FILE *out, const struct sweep_state *s, enum report_format format)
{
    write_default(out, s, s, format);
}

static bool write_pivot(FILE *out, const struct sweep_state *s, const char *description, enum report_format format,
                        char *error, size_t error_bytes)
{
    struct pivot *pivot = pivot_create(s, description, error, error_bytes);
    if (!pivot)
        return false;
    const struct table table = pivot_table(pivot);
    report_table(out, &table, format);
    pivot_free(pivot);
    return true;
}

static bool write_view(FILE *out, struct sweep_state *shown, const struct sweep_state *all,
                       const struct report_view *view, enum report_format format, char *error, size_t error_bytes)
{
    const bool for_people = format == REPORT_TEXT || format == REPORT_MARKDOWN;
    const char *names = view->columns ? view->columns : view->sort && for_people ? SORTED_COLUMNS : NULL;
    struct columns columns;
    if (view->where && !select_runs(shown, view->where, error, error_bytes))
        return false;
    if (view->sort && !select_order(shown, view->sort, error, error_bytes))
        return false;
    if (view->pivot)
        return write_pivot(out, shown, view->pivot, format, error, error_bytes);
    if (!names)
        return write_default(out, shown, all, format), true;
    if (!select_columns(names, &columns, error, error_bytes))
        return false;
    write_columns(out, shown, &columns, format);
    columns_clear(&columns);
    return true;
}

bool report_view_write(FILE *out, const struct sweep_state *s, const struct report_view *view,
                       enum report_format format, char *error, size_t error_bytes)
{
    struct sweep_state shown = select_view(s);
    const bool ok = write_view(out, &shown, s, view, format, error, error_bytes);
    free(shown.record);
    return ok;
}
