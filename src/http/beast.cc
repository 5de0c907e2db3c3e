// The code of Boost.Beast that is no template, once.
#include <boost/beast/src.hpp>
