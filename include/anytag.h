/* anytag.h - the whole API by one include.
 *
 * Pictures become tags:  at_model_open -> at_session_open -> at_image_read -> at_session_tag.
 * See examples/tag.c for the shortest complete program. */
#ifndef ANYTAG_H
#define ANYTAG_H

#include "anytag/base.h"
#include "anytag/calibrate.h"
#include "anytag/convert.h"
#include "anytag/heat.h"
#include "anytag/image.h"
#include "anytag/inspect.h"
#include "anytag/labels.h"
#include "anytag/match.h"
#include "anytag/model.h"
#include "anytag/profile.h"
#include "anytag/quantize.h"
#include "anytag/session.h"
#include "anytag/tag.h"
#include "anytag/wordnet.h"
#include "anytag/writer.h"

#endif
