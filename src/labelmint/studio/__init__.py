"""The studio: a page in the browser, on this machine alone, to draw pairs, paint layouts, look at reports, check minted
labels, and keep what is good.

    session.py    what is drawn and kept: plain Python, without HTTP
    view.py       what a view is;   views.py  the list of them
    mint.py, paint.py, look.py, label.py       one view a file, with its routes
    found_report.py, doubted.py                of Look: the report of `evaluate`, samples by the judge's doubt
    checking.py, checked.py, doubt_maps.py     of Label: what was decided, its export, where segmenters doubt
    kept.py       the routes that all views share;   shown.py, maps.py  pictures and maps for the page
    server.py     the app and its server;   guard.py  who may ask
    asked.py      what is asked, checked;   replies.py  what is replied
    page/         the page: plain HTML, CSS and ES modules, without a build step

How to add a view NAME:

1. `studio/NAME.py` holds `VIEW = View(name="NAME", title="Title", routes=(...))`. Paths of its routes begin with
   "/api/NAME". Each is an `async def answer(studio, request)` that replies JSON (`replied`), or lines of JSON as they
   come (`lines`). Whatever computes goes through `await studio.compute(function)`, which runs it in the one thread that
   draws. Errors are raised: bad input as `InputError`, and the page shows its one line.
2. `studio/page/NAME.js` exports `async function open(place, studio)`, which fills the element `place` when the tab is
   first opened. It may export `keys`, the keys that it heeds, `{key: [what it does, function]}` or a function that
   returns them; `shown()`, called whenever its tab is opened; and `marked(key, mark)`, called when a pair is kept or
   dropped elsewhere.
3. `views.py` lists it. Nothing else is touched: the tab, its module and its routes come from the list.

Pairs that a view draws with `Session.draw` can be kept, are shown by `/api/picture`, and are exported with the others.
"""
