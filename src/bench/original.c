/* original.c - the command line of the original benchmark, written as one of ours.
 *
 *   --mode=single --trainer NAME --batch-size B --seq-len T --model-size SIZE    run, with the same values
 *   --mode=profile -o FILE.h5 [...]    sweep: four trainers x batch 4, 8 x sequence 512, 1024
 *   --mode=test [...]                  sweep: one step with each trainer on the tiny model */
#include "../base/check.h"
#include "../base/text.h"
#include "../trainers/trainer.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    char **item;
    int n;
};

static void list_add(struct list *list, const char *text)
{
    list->item = reallocarray(list->item, (size_t)list->n + 2, sizeof *list->item);
    CHECK_SYS(list->item ? 0 : -1);
    CHECK_SYS((list->item[list->n++] = strdup(text)) ? 0 : -1);
    list->item[list->n] = NULL;
}

static bool is_option(const char *word, const char *name)
{
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && (!word[length] || word[length] == '=');
}

/* Where the option stands in argv, 0: it does not. */
static int find_option(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (is_option(argv[i], name))
            return i;
    return 0;
}

static bool names_output(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-o", 2) == 0 || is_option(argv[i], "--output"))
            return true;
    return false;
}

/* What the original did where its command line said nothing. */
static void add_unless_given(struct list *list, int argc, char **argv, const char *name, const char *value)
{
    char option[256];
    snprintf(option, sizeof option, "%s=%s", name, value);
    if (!find_option(argc, argv, name))
        list_add(list, option);
}

static void add_profile(struct list *list, int argc, char **argv)
{
    list_add(list, "sweep");
    add_unless_given(list, argc, argv, "--trainer", "standard,dpsgd,ghost,fastclip");
    add_unless_given(list, argc, argv, "--batch-size", "4,8");
    add_unless_given(list, argc, argv, "--seq-len", "512,1024");
    if (!find_option(argc, argv, "--model-size"))
        add_unless_given(list, argc, argv, "--model", "medium");
}

static void add_test(struct list *list, int argc, char **argv)
{
    char trainers[256] = "";
    const struct trainer_ops *trainer;
    for (int i = 0; (trainer = trainer_at(i)) && !trainer->is_control; i++)
        text_append(trainers, sizeof trainers, "%s%s", i ? "," : "", trainer->name);
    list_add(list, "sweep");
    add_unless_given(list, argc, argv, "--trainer", trainers);
    add_unless_given(list, argc, argv, "--wait-steps", "0");
    add_unless_given(list, argc, argv, "--warmup-steps", "0");
    add_unless_given(list, argc, argv, "--active-steps", "1");
    if (!names_output(argc, argv))
        list_add(list, "--no-output");
}

/* --model-size is --model here; --mode, and its value if that is the next word, is gone. */
static void add_rest(struct list *list, int argc, char **argv, int mode)
{
    for (int i = 1; i < argc; i++) {
        char model[256];
        if (i == mode) {
            i += !strchr(argv[i], '=');
        } else if (is_option(argv[i], "--model-size")) {
            snprintf(model, sizeof model, "--model%s", argv[i] + strlen("--model-size"));
            list_add(list, model);
        } else {
            list_add(list, argv[i]);
        }
    }
}

static struct list rewritten; /* lives as long as the program, as argv does */

const char *options_translate_original(int *argc, char ***argv)
{
    static char error[256];
    int mode = find_option(*argc, *argv, "--mode");
    if (!mode)
        return NULL;
    if ((*argv)[1][0] != '-')
        return snprintf(error, sizeof error, "--mode stands in the place of a command: leave '%s' out, or --mode",
                        (*argv)[1]), error;
    const char *equals = strchr((*argv)[mode], '='), *next = mode + 1 < *argc ? (*argv)[mode + 1] : "";
    const char *name = equals ? equals + 1 : next;
    rewritten = (struct list){0};
    list_add(&rewritten, (*argv)[0]);
    if (strcmp(name, "single") == 0)
        list_add(&rewritten, "run");
    else if (strcmp(name, "profile") == 0 && !names_output(*argc, *argv))
        return "--mode=profile measures for long: say with -o FILE.h5 where its results go";
    else if (strcmp(name, "profile") == 0)
        add_profile(&rewritten, *argc, *argv);
    else if (strcmp(name, "test") == 0)
        add_test(&rewritten, *argc, *argv);
    else
        return snprintf(error, sizeof error, "--mode: '%s' is not one of single, profile, test", name), error;
    add_rest(&rewritten, *argc, *argv, mode);
    *argc = rewritten.n;
    *argv = rewritten.item;
    return NULL;
}
