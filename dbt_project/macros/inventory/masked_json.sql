{#- A jsonb column with the values at some paths after their rules, texts as texts; an array there element by
    element. What is absent stays absent, and JSON's null stays null. Each new value is computed from the column
    as it was, so that the text grows with the number of paths and no faster. PostgreSQL only. -#}
{% macro masked_json(column, value, owner) -%}
    {%- set whole = value if column.type == 'jsonb' else 'cast(' ~ value ~ ' as jsonb)' -%}
    {%- set made = namespace(sql=whole) -%}
    {%- for part in column.parts -%}
        {%- set path = 'array[' ~ path_texts(part.path) ~ ']' -%}
        {%- set at = '(' ~ whole ~ ' #> ' ~ path ~ ')' -%}
        {%- set text = '(' ~ whole ~ ' #>> ' ~ path ~ ')' -%}
        {%- set new_value -%}
            case
                when jsonb_typeof({{ at }}) = 'array' then coalesce(
                    (
                        select jsonb_agg(
                            coalesce(
                                to_jsonb(cast({{ rule(part.rule, 'each_of.element', owner, 'text') }} as text)),
                                'null'
                            ) order by each_of.place
                        )
                        from jsonb_array_elements_text({{ at }}) with ordinality as each_of (element, place)
                    ),
                    {{ at }}
                )
                else coalesce(to_jsonb(cast({{ rule(part.rule, text, owner, 'text') }} as text)), 'null')
            end
        {%- endset -%}
        {#- An empty path changes nothing; one that leads through an array would be an error. -#}
        {%- set present = "case when " ~ at ~ " is null then '{}' else " ~ path ~ " end" -%}
        {%- set made.sql = 'jsonb_set(' ~ made.sql ~ ', ' ~ present ~ ', ' ~ new_value ~ ', false)' -%}
    {%- endfor -%}
    {%- set made.sql = "case when jsonb_typeof(" ~ whole ~ ") in ('object', 'array') then " ~ made.sql
        ~ " else " ~ whole ~ " end" -%}
    {{ made.sql if column.type == 'jsonb' else 'cast(' ~ made.sql ~ ' as json)' }}
{%- endmacro %}

{% macro path_texts(path) -%}
    {%- for step in path -%} {{ text_literal(step) }}{{ ', ' if not loop.last }} {%- endfor -%}
{%- endmacro %}
