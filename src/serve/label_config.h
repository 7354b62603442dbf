/* label_config.h - what a project of Label Studio wants to be told, read from its labelling configuration. */
#ifndef ANYTAG_SERVE_LABEL_CONFIG_H
#define ANYTAG_SERVE_LABEL_CONFIG_H

#include <anytag/model.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum control_kind {
    CONTROL_CHOICES,
    CONTROL_TAXONOMY,
    CONTROL_BOXES,
    CONTROL_TEXT,
    CONTROLS
} control_kind;

/* A <Choice>, or a <Label> of a <RectangleLabels>. */
typedef struct label_choice {
    char *value, *alias; // alias may be NULL; it is what an annotation says
    char *predicted;     // predicted_values, "car, truck", or NULL
    long parent;         // of a taxonomy, -1: at its top
} label_choice;

/* A <Choices>, <Taxonomy>, <RectangleLabels> or <TextArea> of a picture. */
typedef struct label_control {
    control_kind kind;
    char *from, *to; // names of it and of its <Image>
    bool many;       // choice="multiple"
    double least;    // model_score_threshold, -1: each tag's own
    label_choice *choices;
    size_t n_choices;
} label_control;

typedef struct label_config {
    char *key; // of a task's data: where the picture is
    label_control
        *control[CONTROLS]; // the first of each kind that is about that picture; NULL: none
    struct label_parts *parts;
} label_config;

/* Reads `xml`, `size` bytes: no DOCTYPE, no entities of its own, 64 levels, 256 KiB. False: why says what is
 * wrong. A configuration without any control for us is read all the same. */
bool label_config_read(const char *xml, size_t size, label_config *c, char *why, size_t why_size);
void label_config_free(label_config *c);

/* The choice that each tag of a model stands for, -1: none; [at_model_tags()], freed by the caller, NULL: no
 * memory. It is one that lists the tag in predicted_values, else one of its name in either language, else
 * one of its English name in other letters. */
int *label_choice_map(const label_control *c, const at_model *m);
const char *label_choice_said(const label_choice *c);

#endif
