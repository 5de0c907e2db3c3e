#include "gateway/reporting/reports.h"
