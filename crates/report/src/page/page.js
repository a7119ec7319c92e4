"use strict";
const report = JSON.parse(document.getElementById("document").textContent);
const title = document.createElement("h1");
title.textContent = report.title;
document.getElementById("page").append(title);
